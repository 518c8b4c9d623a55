"""Loading."""

from rehub.resolvers.chain import resolve as resolve
from rehub.runtime.load import load as load
