import FileTestSupport
import Foundation
import Testing

/// Configurations at the ends of what is allowed: two steps of each, which train or end with an error.
@Suite("Extreme values")
struct ExtremeValuesTests {
  private func train(_ values: [String]) throws -> (CommandRunner.Outcome, ScratchFolder) {
    let folder = try ScratchFolder.forTraining(steps: 2)
    let outcome = try CommandRunner.run(
      "train", ["--config", "c.json", "--output", "run"] + values.flatMap { ["--set", $0] },
      in: folder.path)
    return (outcome, folder)
  }

  @Test(
    "what is far from usual trains",
    arguments: [
      ["training.optimizer.beta1=0.9999999", "training.optimizer.beta2=0.9999999"],
      ["training.optimizer.beta1=0", "training.optimizer.beta2=0"],
      ["training.optimizer.epsilon=1.2e-38"],
      ["training.optimizer.epsilon=3.4e38"],
      ["training.optimizer.learningRate=1.2e-38"],
      [#"training.optimizer={"type": "sgd", "learningRate": 1e-3, "momentum": 0.9999999}"#],
      ["training.gradientClip=1.2e-38"],
      ["training.gradientClip=3.4e38"],
      ["training.seed=9223372036854775807"],
      ["training.averaging.ema=true", "training.averaging.emaDecay=0.9999999999999999"],
      ["training.averaging.polynomial=true", "training.averaging.polynomialGamma=1e300"],
      ["training.patience=9223372036854775807", "training.minDelta=1e300"],
      [
        "monitor.logEvery=9223372036854775807", "monitor.evaluateEvery=9223372036854775807",
        "monitor.checkpointEvery=9223372036854775807",
      ],
      ["monitor.evaluationImages=9223372036854775807", "monitor.samples=256"],
      [#"training.schedule={"type": "cosine", "warmup": 9223372036854775807}"#],
      ["quantizer.levels=[2]"],
      ["quantizer.levels=[2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2]"],
      [#"quantizer={"type": "vq", "codebookSize": 2, "codeDimension": 1}"#],
      [#"quantizer={"type": "lfq", "bits": 1, "temperature": 1e-30}"#],
      [#"quantizer={"type": "lfq", "bits": 24, "entropyGroup": 12, "temperature": 3.4e38}"#],
      [#"quantizer={"type": "bsq", "bits": 24, "entropyGroup": 1}"#],
      [#"quantizer={"type": "residual-vq", "depth": 32, "codebookSize": 2, "codeDimension": 1}"#],
    ])
  func trains(values: [String]) throws {
    let (outcome, folder) = try train(values)
    #expect(outcome.code == 0, "\(outcome)")
    #expect(folder.files().contains("run/model.safetensors"))
  }

  @Test(
    "numbers that overflow are an error that says where",
    arguments: [
      ["training.optimizer.learningRate=3.4e38"],
      [#"training.optimizer={"type": "sgd", "learningRate": 3.4e38}"#],
      [#"quantizer={"type": "lfq", "bits": 8, "temperature": 1.2e-38}"#],
      [
        #"quantizer={"type": "vq", "codebookSize": 8, "codeDimension": 4, "commitmentWeight": 3.4e38}"#
      ],
    ])
  func overflows(values: [String]) throws {
    let (outcome, _) = try train(values)
    #expect(outcome.code == 70 && !outcome.isKilled, "\(outcome)")
    #expect(outcome.errors.contains("not finite"), "\(outcome)")
  }
}
