"""Records that did not fit: kept with every reason, shown, exported, corrected and loaded once more."""
