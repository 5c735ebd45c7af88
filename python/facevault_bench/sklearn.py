"""A transformer for scikit-learn's pipelines. scikit-learn itself is not needed to import it."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._embedder import Embedder

if TYPE_CHECKING:

    class _Transformer:
        def fit_transform(self, faces: NDArray[np.uint8], y: Any = None) -> NDArray[np.float32]: ...

else:
    try:
        from sklearn.base import BaseEstimator, TransformerMixin

        class _Transformer(TransformerMixin, BaseEstimator):
            pass
    except ImportError:

        class _Transformer:
            def fit_transform(self, faces, y=None):
                return self.fit(faces, y).transform(faces)


class FaceEmbedder(_Transformer):
    """Faces → embeddings: `transform` takes what `Embedder.embed` takes, and nothing is fitted.

    The arguments are those of `Embedder`. `fit` opens the network, or else the first call that needs it.
    """

    def __init__(
        self,
        weights: Any,
        network: str = "inception-resnet-v1",
        *,
        profile: Any = None,
        side: int | None = None,
        width: float | None = None,
        output: str | None = None,
        precision: str = "f32",
        device: str = "auto",
        threads: int | None = None,
        calibration: Any = None,
    ) -> None:
        self.weights = weights
        self.network = network
        self.profile = profile
        self.side = side
        self.width = width
        self.output = output
        self.precision = precision
        self.device = device
        self.threads = threads
        self.calibration = calibration

    def fit(self, faces: Any = None, y: Any = None) -> "FaceEmbedder":
        """Open the network with the arguments as they are now."""
        self.embedder_ = Embedder(**{name: getattr(self, name) for name in _ARGUMENTS})
        return self

    def transform(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed faces."""
        return self._opened().embed(faces)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the columns."""
        return np.array([f"embedding{i}" for i in range(self._opened().dimension)], dtype=object)

    def _opened(self) -> Embedder:
        if not hasattr(self, "embedder_"):
            self.fit()
        return self.embedder_

    def __sklearn_is_fitted__(self) -> bool:
        return True


_ARGUMENTS = (
    "weights",
    "network",
    "profile",
    "side",
    "width",
    "output",
    "precision",
    "device",
    "threads",
    "calibration",
)
