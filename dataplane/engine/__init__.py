"""The run loop over the model's objects, in one process."""
