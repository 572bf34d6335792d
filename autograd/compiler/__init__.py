"""From a recorded program to one compiled function.

Recording:
``trace``        values that are not computed yet, and the ``np`` that rules see while recording
``compose``      NumPy's larger functions, composed of those instructions; ``places`` those that read and write at an index
``storage``      what memory a value lies in: views, and what a place holds after a write
``capture``      one recording: what was read, what would be written; nothing is committed

From instructions to the loop program, a pass a file:
``simplify``     what is computed twice, or need not be; transposed products; the order of the passes
``distribute``   sums go through what is the same in a whole row; ``picked`` one element of each row is computed alone
``apart``        slice by slice what only slices are read of; ``together`` at once what comes in many small pieces
``lower``        instructions as steps, joined wherever one reads row by row what another made
``partly``       of a write to a part of an array, that part
``indices``      which element of its inputs an element comes from; ``products`` small matrix products as loops
``loops``        what the loop program is made of, and how it reads
``tidy``         stores that nobody reads; rows that stay in a kernel; long loops in pieces
``split``        what threads share; ``plan`` where in scratch each array lies

From there to machine code:
``expressions``  scalar expressions; ``llvm`` loops and kernels; ``machine`` LLVM's passes, linking, BLAS
``seldom``       calls of the C library for few arguments; ``callback`` calls of Python; ``cache`` the code on disk

A call:
``guards``       what a compiled program took for granted; ``words`` most of those checks as one call of machine code
``frame``        the memory of one call in flight; ``address`` where arrays lie
``variant``      a program with its guards, called
``explain``      a program in numbers; ``profile`` in seconds; ``listing`` its instructions, pass by pass
``checked``      the same call compiled and eager, compared
``jit``          the decorator
"""
