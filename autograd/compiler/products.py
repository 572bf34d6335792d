"""Matrix products too small for a call of BLAS, as loops."""

from __future__ import annotations

__all__ = ["small_product", "written_out"]

TINY_PRODUCT, SMALL_PRODUCT = 1 << 10, 1 << 17  # multiply-adds; see `written_out`
STRIP = 16  # terms of an inner sum that are written out


def written_out(m: int, n: int, k: int, ta: bool) -> bool:
    """Whether loops beat a call of BLAS, as `python -m bench.products` measures it: sums are short, or few and side by side."""
    if m * n * k > SMALL_PRODUCT:
        return False
    return k <= STRIP or m * n * k <= TINY_PRODUCT or ta and m <= 32 and (n % 8 == 0 or n < 8)


def small_product(
    left: tuple[str, bool], right: tuple[str, bool], out: str, lengths: tuple[int, int, int], stack: int, dtype: str,
    alone: tuple[str, ...] = (),
) -> list[str]:
    """The lines of a small product, or of a stack of them; operands may be stored transposed, or be one for the stack."""
    (a, ta), (b, tb), (m, n, k) = left, right, lengths

    def item(name: str, rows: int, columns: int, turned: bool = False) -> str:
        i, j = ("{1}", "{0}") if turned else ("{0}", "{1}")
        first = f"{i}" if name in alone else f"(s * {rows} + {i})"
        return f"{name}[flat({first} * {columns} + {j})]" if stack > 1 else f"{name}[{i}, {j}]"

    if ta and n < 8 <= m:  # rows so short that they make no vectors: the other way round, and turned at the end
        first = item(b, n, k) if tb else item(b, k, n, True)
        lines = _strips(first, item(a, k, m), _place("r1", m), n, m, k)
        local = [f"r1 = local({dtype}, {n * m})"]
        lines += [f"for i in range({m}):", f"    for j in range({n}):",
                  f"        {item(out, m, n).format('i', 'j')} = r1[j * {m} + i]"]  # fmt: skip
    else:
        local, lines, second = [], [], item(b, k, n)
        if tb:  # a copy the other way round, so that the inner loop runs along rows
            local, second = [f"r0 = local({dtype}, {k * n})"], _place("r0", n)
            lines = [f"for k in range({k}):", f"    for j in range({n}):",
                     f"        r0[k * {n} + j] = {item(b, n, k).format('j', 'k')}"]  # fmt: skip
        first = item(a, k, m, True) if ta else item(a, m, k)
        lines += _strips(first, second, item(out, m, n), m, n, k)
    return [*local, f"for s in range({stack}):", *("    " + line for line in lines)] if stack > 1 else local + lines


def _place(name: str, width: int) -> str:
    return f"{name}[({{0}}) * {width} + {{1}}]"


def _strips(a: str, b: str, c: str, m: int, n: int, k: int) -> list[str]:
    """c = a b as loops in which a strip of the inner sum is written out: sums stay in registers, rows become vectors."""

    def strip(first: str, count: int) -> str:
        at = [f"{first}{u}" if not first else f"({first} + {u})" for u in range(count)]
        return " + ".join(f"{a.format('i', q)} * {b.format(q, 'j')}" for q in at)

    out = c.format("i", "j")
    whole, rest = divmod(k, STRIP)
    each = [f"for i in range({m}):", f"    for j in range({n}):"]
    if whole <= 1 and (whole == 0 or rest == 0):
        return [*each, f"        {out} = {strip('', k)}"]
    lines = [*each, f"        {out} = 0", f"for k in range({whole}):", *("    " + line for line in each),
             f"            {out} += {strip(f'k * {STRIP}', STRIP)}"]  # fmt: skip
    if rest:
        lines += [*each, f"        {out} += {strip(str(whole * STRIP), rest)}"]
    return lines
