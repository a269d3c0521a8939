"""What a network is computed with: ONNX Runtime on processors, OpenVINO where it is faster, torch everywhere."""
