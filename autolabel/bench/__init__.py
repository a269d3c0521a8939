"""What labeling would cost on data whose labels are known: strategies side by side, over many seeds, in memory."""
