"""From blocks of samples to judged windows; pure."""
