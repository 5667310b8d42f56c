"""Sources of frames: captures, Arrow files, synthetic profiles. Every source yields `FrameBatch` values."""
