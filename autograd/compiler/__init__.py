"""From a recorded program to one compiled function.

``trace``    values that are not computed yet, and the ``np`` that rules see while recording
``compose``  NumPy's larger functions, composed of those instructions
``capture``  one recording: what was read, what would be written; nothing is committed
``lower``    the recorded instructions as loops, and the loops as Python source
``llvm``     the loops as machine code
``guards``   what a compiled program took for granted, checked at each call
``words``    most of those checks as one call of machine code
``frame``    the memory of one call in flight; ``address`` where arrays lie
``variant``  a program with its guards, called
``explain``  a program in numbers
``checked``  the same call compiled and eager, compared
``jit``      the decorator: guards, variants, the call
"""
