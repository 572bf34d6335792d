"""From a recorded program to one compiled function.

``trace``    values that are not computed yet, and the ``np`` that rules see while recording
``capture``  one recording: what was read, what would be written; nothing is committed
``lower``    the recorded instructions as loops, and the loops as Python source
``jit``      the decorator: guards, variants, the call
"""
