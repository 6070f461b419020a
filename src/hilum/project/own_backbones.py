"""Whether a user's own `.keras` file can be a backbone: the limits of served files, then a trial build."""

from collections.abc import Mapping
from typing import Any

from hilum.models.own_backbone import find_file
from hilum.serving.model_files import check_model_file


def try_own(backbone: str, options: Mapping[str, Any], size: int) -> None:
    """Build the network of a file on films of `size` px, once its bytes are found to be harmless.

    Raises:
        ValueError: as the checks of a served file do, or the file is no backbone for such films.
    """
    path = find_file(backbone)
    held = check_model_file(path)
    from hilum.models.body import plain_network  # TensorFlow takes seconds
    from hilum.models.declared_size import check_declared

    check_declared(path, held)
    plain_network(backbone, options, size)
