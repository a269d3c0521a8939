"""Pictures at the speed of a GPU: threads that only decode, everything else on the device, results a batch late."""
