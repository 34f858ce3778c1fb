import Datasets
import Execution
import Tokenizers

/// The training step for each size of images that a run has, planned once; they share memory, as one
/// runs at a time.
final class SizedSteps<B: Backend> {
  /// The step for images of the configured size.
  let base: TrainingStep<B>

  private let run: RunConfiguration
  private let shouldStop: () -> Bool
  private let steps: [Int: TrainingStep<B>]
  private var deferred: [Int: TrainingStep<B>] = [:]
  private var heldOut: [Int: HeldOutLoss<B>] = [:]

  /// Plans the steps of all sizes.
  ///
  /// - Parameter shouldStop: asked between the replays of an evaluation.
  init(
    _ run: RunConfiguration, parameters: ParameterMemory<B>, pool: LanePool,
    shouldStop: @escaping () -> Bool = { false }
  ) {
    self.run = run
    self.shouldStop = shouldStop
    var steps: [Int: TrainingStep<B>] = [:]
    var lender: Session<B>?
    // The largest first, whose arenas the others use.
    for multiple in Set(run.data.sizeMultiples + [1]).sorted(by: >) {
      let step = TrainingStep(
        run.tokenizer, imageSize: run.data.imageSize * multiple,
        run.training.forImages(multiple: multiple), parameters: parameters, pool: pool,
        probing: run.monitor.quantizer, assigning: run.quantizer.upkeep?.isNeeded ?? false,
        lender: lender)
      steps[multiple] = step
      if lender == nil { lender = step.session }
    }
    self.steps = steps
    base = steps[1]!
  }

  /// The session with the most memory, which any that never runs at the same time may use.
  var lender: Session<B> { steps[steps.keys.max()!]!.session }

  /// The step for images of a multiple of the configured size.
  func step(multiple: Int, isDeferred: Bool) -> TrainingStep<B> {
    let quantized = steps[multiple]!
    guard isDeferred else { return quantized }
    if let step = deferred[multiple] { return step }
    let step = TrainingStep(
      deferredBefore: quantized, run.tokenizer, imageSize: run.data.imageSize * multiple)
    deferred[multiple] = step
    return step
  }

  /// The loss by forward passes of images of a multiple of the configured size.
  func heldOut(multiple: Int = 1) -> HeldOutLoss<B> {
    if let known = heldOut[multiple] { return known }
    let loss = HeldOutLoss(
      run.tokenizer, imageSize: run.data.imageSize * multiple,
      run.training.forImages(multiple: multiple), lender: steps[multiple]!.session,
      shouldStop: shouldStop)
    heldOut[multiple] = loss
    return loss
  }

  /// Quantization is no longer deferred.
  func endDeferral() { deferred = [:] }
}
