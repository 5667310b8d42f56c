"""The model of a VMMQ network adapter: pure objects and kernels, without Ray, processes, clock or terminal."""
