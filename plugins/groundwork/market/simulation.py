"""The trading book: strategies run over one ticker's days, and who owns the position.

Rules. A buy of a free ticker takes ownership under a lock. A buy of a ticker that another strategy owns is a conflict:
an expired lock loses it to anybody, a lock that holds gives way to higher priority only. The position passes to the new
owner with the ownership. A sell counts only when it is the owner's: it sells what is held and releases. Within one day
sells come first, then buys by priority. Times are the close of the signal's day.

An order's limit lies the strategy's tolerance away from the day's close. It is filled when the next trading day's
prices reach it, cancelled when they do not, and open while there is no next day. Limits: unadjusted prices, so shares
held over a split are not multiplied; no cost of trading.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from groundwork.market.prices import Day
from groundwork.market.strategies import NAMESPACE, Strategy

_CENTS = Decimal("0.0001")  # as the column keeps


@dataclass(frozen=True, kw_only=True)
class Signal:
    """What a strategy wants to do with the ticker after the close of a day."""

    signal_id: uuid.UUID
    strategy_id: uuid.UUID
    signal_date: date
    action: str


@dataclass(frozen=True, kw_only=True)
class Order:
    """One order; `limit_price` in US dollars."""

    order_id: uuid.UUID
    strategy_id: uuid.UUID
    signal_id: uuid.UUID
    ticker: str
    side: str
    quantity: int
    limit_price: Decimal
    status: str
    placed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """One stretch of ownership, [`acquired_at`, `released_at`)."""

    ownership_id: uuid.UUID
    ticker: str
    strategy_id: uuid.UUID
    acquired_at: datetime
    lock_expires_at: datetime
    released_at: datetime | None = None
    release_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Two strategies wanted one ticker."""

    conflict_id: uuid.UUID
    ticker: str
    detected_at: datetime
    holder_strategy_id: uuid.UUID
    challenger_strategy_id: uuid.UUID
    resolution: str
    holder_priority: int
    challenger_priority: int
    lock_expires_at: datetime
    signal_id: uuid.UUID


@dataclass(kw_only=True)
class Book:
    """Everything that happened, by ticker in the order in which it was traded, then by time."""

    orders: list[Order] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)


def trade(
    book: Book,
    ticker: str,
    days: Sequence[Day],
    signals: Sequence[Signal],
    strategies: Mapping[uuid.UUID, Strategy],
) -> None:
    """Run one ticker's `signals` over its `days` and add what happens to `book`.

    Signals of a day without price, or of a strategy that is not in the registry, are passed over; an inactive strategy
    may still sell what it owns.
    """
    index_of = {day.price_date: index for index, day in enumerate(days)}
    known = [signal for signal in signals if signal.signal_date in index_of and signal.strategy_id in strategies]
    desk = _Desk(book, ticker, strategies)
    for signal in sorted(known, key=lambda signal: _turn(signal, strategies[signal.strategy_id])):
        index = index_of[signal.signal_date]
        following = days[index + 1] if index + 1 < len(days) else None
        desk.act(signal, days[index], following)
    desk.close()


def _turn(signal: Signal, strategy: Strategy) -> tuple[date, bool, int, str]:
    return (signal.signal_date, signal.action == "buy", -strategy.priority, str(signal.signal_id))


class _Desk:
    """The state of one ticker: its owner's stretch and the shares held."""

    def __init__(self, book: Book, ticker: str, strategies: Mapping[uuid.UUID, Strategy]) -> None:
        self.book = book
        self.ticker = ticker
        self.strategies = strategies
        self.stretch: Stretch | None = None
        self.shares = 0

    def act(self, signal: Signal, day: Day, following: Day | None) -> None:
        strategy = self.strategies[signal.strategy_id]
        if signal.action == "sell":
            self._sell(strategy, signal, day, following)
        elif strategy.is_active and self._wins(strategy, signal, day):
            self._acquire(strategy, day)
            self._buy(strategy, signal, day, following)

    def close(self) -> None:
        """Write down the stretch that is still open."""
        if self.stretch is not None:
            self.book.stretches.append(self.stretch)

    def _wins(self, challenger: Strategy, signal: Signal, day: Day) -> bool:
        """Whether the ticker is free or can be taken; a conflict is written down and a beaten owner released."""
        if self.stretch is None:
            return True
        holder = self.strategies[self.stretch.strategy_id]
        if holder is challenger:
            return False  # it owns the ticker already
        resolution = "holder_kept"
        if day.closed_at >= self.stretch.lock_expires_at:
            resolution = "lock_expired"
        elif challenger.priority > holder.priority:
            resolution = "priority_takeover"
        self.book.conflicts.append(
            Conflict(
                conflict_id=uuid.uuid5(NAMESPACE, f"conflict/{signal.signal_id}"),
                ticker=self.ticker,
                detected_at=day.closed_at,
                holder_strategy_id=holder.strategy_id,
                challenger_strategy_id=challenger.strategy_id,
                resolution=resolution,
                holder_priority=holder.priority,
                challenger_priority=challenger.priority,
                lock_expires_at=self.stretch.lock_expires_at,
                signal_id=signal.signal_id,
            )
        )
        if resolution == "holder_kept":
            return False
        self._release(day, resolution)
        return True

    def _acquire(self, strategy: Strategy, day: Day) -> None:
        moment = day.closed_at.isoformat()
        self.stretch = Stretch(
            ownership_id=uuid.uuid5(NAMESPACE, f"ownership/{strategy.strategy_id}/{self.ticker}/{moment}"),
            ticker=self.ticker,
            strategy_id=strategy.strategy_id,
            acquired_at=day.closed_at,
            lock_expires_at=day.closed_at + timedelta(days=strategy.days("lock_days")),
        )

    def _release(self, day: Day, reason: str) -> None:
        if self.stretch is not None:
            self.book.stretches.append(replace(self.stretch, released_at=day.closed_at, release_reason=reason))
            self.stretch = None

    def _buy(self, strategy: Strategy, signal: Signal, day: Day, following: Day | None) -> None:
        quantity = int(Decimal(str(strategy.number("order_value_usd"))) / day.close)
        if quantity and self._order(strategy, signal, "buy", quantity, day, following) == "filled":
            self.shares += quantity

    def _sell(self, strategy: Strategy, signal: Signal, day: Day, following: Day | None) -> None:
        if self.stretch is None or self.stretch.strategy_id != strategy.strategy_id:
            return
        if self.shares:
            status = self._order(strategy, signal, "sell", self.shares, day, following)
            if status == "cancelled":
                return  # what was not sold stays owned
            self.shares = 0
        self._release(day, "sold")

    def _order(
        self, strategy: Strategy, signal: Signal, side: str, quantity: int, day: Day, following: Day | None
    ) -> str:
        """Place an order and return its status."""
        tolerance = Decimal(str(strategy.number("limit_tolerance_pct"))) / 100
        factor = 1 + tolerance if side == "buy" else 1 - tolerance
        limit = (day.close * factor).quantize(_CENTS, ROUND_HALF_UP)
        status = _status(side, limit, following)
        self.book.orders.append(
            Order(
                order_id=uuid.uuid5(NAMESPACE, f"order/{signal.signal_id}"),
                strategy_id=strategy.strategy_id,
                signal_id=signal.signal_id,
                ticker=self.ticker,
                side=side,
                quantity=quantity,
                limit_price=limit,
                status=status,
                placed_at=day.closed_at,
            )
        )
        return status


def _status(side: str, limit: Decimal, following: Day | None) -> str:
    if following is None:
        return "open"
    is_reached = following.low <= limit if side == "buy" else following.high >= limit
    return "filled" if is_reached else "cancelled"
