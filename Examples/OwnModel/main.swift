import Foundation
import Tessera

// Trains a network of two layers to compute a sine, 64 points at a time.
let count = 64
let points = (0..<count).map { 6 * Float($0) / Float(count) - 3 }

do {
  let model = try Model { scope in
    let x = scope.graph.input("x", [count, 1, 1, 1])
    let target = scope.graph.input("target", [count, 1, 1, 1])
    let hidden = silu(Linear(1, 32, in: scope["hidden"])(x))
    let y = Linear(32, 1, in: scope["output"])(hidden)
    return Model.Recording(loss: meanSquaredError(y, target), outputs: ["y": y])
  }
  try model.train(
    steps: 500, optimizer: .adamw(AdamWConfiguration(learningRate: 1e-2)),
    batch: { _ in ["x": points, "target": points.map { sin($0) }] },
    progress: { step, loss in if step.isMultiple(of: 100) { print("step \(step): loss \(loss)") } })
  let y = try model.outputs(of: ["x": points])["y"]!
  print("the sine of 0 is 0, the network says \(y[count / 2])")
} catch {
  FileHandle.standardError.write(Data("error: \(error)\n".utf8))
  exit(1)
}
