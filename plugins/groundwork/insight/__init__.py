"""What Groundwork tells people by itself: reports made from what the store and the ledger hold."""
