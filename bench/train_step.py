#!/usr/bin/env python3
"""One Adam step of ResNet-18 (1x128x128, batch 32) and of a U-Net (1x128x128, batch 16): hilum
beside PyTorch, eager and channels_last."""

import common
import engines

CASES = [("resnet18", 32), ("unet", 16)]


def main() -> None:
    options = common.arguments(__doc__, rounds=3, repeats=7).parse_args()
    suite = engines.Suite("train", engines.TORCH, options)
    engines.run_suite("train_step", suite, CASES)


if __name__ == "__main__":
    main()
