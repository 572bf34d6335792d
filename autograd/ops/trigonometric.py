"""Trigonometric and hyperbolic functions and their inverses: elementwise."""

from autograd.rule import elementwise, np


@elementwise(lambda x: np.cos(x))
def sin(x, /):
    """Sine; dy/dx = cos x."""
    return np.sin(x)


@elementwise(lambda x: -np.sin(x))
def cos(x, /):
    """Cosine; dy/dx = −sin x."""
    return np.cos(x)


@elementwise(lambda y: 1 + y * y, strong=True)
def tan(x, /):
    """Tangent; dy/dx = 1 + y²."""
    return np.tan(x)


@elementwise(lambda x: 1 / np.sqrt((1 - x) * (1 + x)), strong=True)
def arcsin(x, /):
    """Inverse sine; dy/dx = 1/√(1 − x²)."""
    return np.arcsin(x)


@elementwise(lambda x: -1 / np.sqrt((1 - x) * (1 + x)), strong=True)
def arccos(x, /):
    """Inverse cosine; dy/dx = −1/√(1 − x²)."""
    return np.arccos(x)


@elementwise(lambda x: 1 / (1 + x * x))
def arctan(x, /):
    """Inverse tangent; dy/dx = 1/(1 + x²)."""
    return np.arctan(x)


@elementwise(lambda a, b: b / (a * a + b * b), lambda a, b: -a / (a * a + b * b), strong=True)
def arctan2(a, b, /):
    """Angle of the point (b, a); dy/da = b/(a² + b²), dy/db = −a/(a² + b²)."""
    return np.arctan2(a, b)


@elementwise(lambda x: np.cosh(x), strong=True)
def sinh(x, /):
    """Hyperbolic sine; dy/dx = cosh x."""
    return np.sinh(x)


@elementwise(lambda x: np.sinh(x), strong=True)
def cosh(x, /):
    """Hyperbolic cosine; dy/dx = sinh x."""
    return np.cosh(x)


@elementwise(lambda y: 1 - y * y)
def tanh(x, /):
    """Hyperbolic tangent, y = tanh x; dy/dx = 1 − y²."""
    return np.tanh(x)


@elementwise(lambda x: 1 / np.hypot(1, x))
def arcsinh(x, /):
    """Inverse hyperbolic sine; dy/dx = 1/√(1 + x²)."""
    return np.arcsinh(x)


@elementwise(lambda x: 1 / np.sqrt((x - 1) * (x + 1)), strong=True)
def arccosh(x, /):
    """Inverse hyperbolic cosine; dy/dx = 1/√(x² − 1)."""
    return np.arccosh(x)


@elementwise(lambda x: 1 / ((1 - x) * (1 + x)), strong=True)
def arctanh(x, /):
    """Inverse hyperbolic tangent; dy/dx = 1/(1 − x²)."""
    return np.arctanh(x)
