#!/usr/bin/env python3
"""DenseNet-121 at 3x224x224, batch 1 and 8, in inference: hilum beside PyTorch and ONNX Runtime."""

import common
import engines

CASES = [("densenet121", 1), ("densenet121", 8)]


def main() -> None:
    options = common.arguments(__doc__, rounds=5, repeats=15).parse_args()
    suite = engines.Suite("infer", (*engines.TORCH, "onnxruntime"), options)
    engines.run_suite("infer", suite, CASES)


if __name__ == "__main__":
    main()
