"""What is wrong with a network that does not learn: `diagnose` looks at the data, at one forward and backward pass and at a few
training steps, and says what it finds in words, with the figures that show it and the line that mends it."""

from nn.doctor.diagnose import diagnose
from nn.doctor.report import Finding, Report

__all__ = ["Finding", "Report", "diagnose"]
