import Tessera

// Trains a classifier of points, inside a circle or outside, into the folder that is named; with
// --resume it goes on.
let folder = CommandLine.arguments.dropFirst().first ?? "checkpoints/circle"

/// 128 points that follow from the step, and their classes.
func batch(_ step: Int) -> Model.Batch {
  let points = (0..<256).map { index in Float((step * 131 + index) * 7919 % 2003) / 1001.5 - 1 }
  let squares = points.map { $0 * $0 }
  let classes = (0..<128).map { squares[2 * $0] + squares[2 * $0 + 1] < 0.5 ? Int32(1) : 0 }
  return Model.Batch(["points": points], indices: ["classes": classes])
}

let model = try Model(lanes: 2) { scope in
  let points = scope.graph.input("points", [64, 1, 1, 2])
  let classes = scope.graph.input("classes", [64], type: .index)
  let hidden = silu(Linear(2, 32, in: scope["hidden"])(points))
  let scores = Linear(32, 2, in: scope["scores"])(hidden).reshaped([64, 2])
  return Model.Recording(loss: crossEntropy(scores, classes).mean(), outputs: ["scores": scores])
}
let ema = AveragingConfiguration(ema: true, emaDecay: 0.99, save: .ema)
try model.train(
  TrainingConfiguration(steps: 1000, batchSize: 128, averaging: ema), to: folder,
  resuming: CommandLine.arguments.contains("--resume"), validation: batch(1_000_000),
  progress: {
    if case .evaluated(let loss, _, let step) = $0 { print("step \(step): loss \(loss)") }
  },
  batch: batch)
