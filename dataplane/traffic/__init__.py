"""Where frames come from: captures, Arrow files, synthetic profiles. Every source yields `FrameBatch` values."""
