import Autodiff
import Execution
import Ranks

/// One update of the weights: the losses, their gradients, clipping, the optimizer.
///
/// The batch is split into micro-batches, which the lanes replay; the loss of the batch is the
/// mean over them.
package final class TrainingStep<B: Backend> {
  /// What one pass over a batch tells.
  package struct Outcome {
    /// What is minimized.
    package let loss: Double
    /// The norm of the gradient of all weights, before clipping.
    package let gradientNorm: Double
    /// The means of the model's statistics over the batch, by name.
    package let statistics: [String: Double]
  }

  package let session: Session<B>
  /// Items of a batch.
  package var items: Int { batch.items }

  private let batch: BatchShape
  private let updater: Updater<B>
  private let names: [String]
  /// How the weights move.
  package var configuration: TrainingConfiguration

  /// Plans a step.
  ///
  /// - Parameters:
  ///   - lender: a session whose memory it may use.
  ///   - group: the processes that share the lanes.
  package convenience init(
    _ recorded: RecordedStep, _ batch: BatchShape, _ configuration: TrainingConfiguration,
    parameters: ParameterMemory<B>, pool: LanePool, lender: Session<B>? = nil,
    group: ProcessGroup? = nil
  ) {
    self.init(
      recorded.plan(batch, on: parameters.backend), batch, configuration, parameters: parameters,
      pool: pool, lender: lender, group: group)
  }

  /// Takes memory for a step that was planned.
  init(
    _ plan: Plan, _ batch: BatchShape, _ configuration: TrainingConfiguration,
    parameters: ParameterMemory<B>, pool: LanePool, lender: Session<B>?, group: ProcessGroup?
  ) {
    self.batch = batch
    self.configuration = configuration
    names = plan.statistics.map(\.name).filter { $0 != "loss" }
    session = Session(
      plan, parameters: parameters, lanes: configuration.lanes, pool: pool, borrowingFrom: lender,
      group: group)
    updater = Updater(session)
  }

  /// Replays a batch and sums its gradients; `update` then moves the weights.
  ///
  /// Where another process is lost the numbers are not valid, as the session's group says.
  ///
  /// - Parameter readers: who reads outputs of each replay.
  package func measure(_ batch: Batch, readers: [any ReplayReader] = []) -> Outcome {
    session.feed = batch.write
    session.collect = { replay in
      for reader in readers { reader.take(replay) }
    }
    session.run(items: self.batch.replays)
    session.collect = { _ in }
    for reader in readers {
      for block in reader.blocks { session.share(block) }
    }
    return Outcome(
      loss: session.mean("loss"), gradientNorm: updater.sumGradients(),
      statistics: Dictionary(uniqueKeysWithValues: names.map { ($0, session.mean($0)) }))
  }

  /// Moves the weights along the gradients that were measured.
  ///
  /// - Parameters:
  ///   - step: counted from 0.
  ///   - gradientNorm: the norm of the gradients, for clipping.
  ///   - learningRate: instead of the configuration's.
  ///   - asking: sets what the update is to tell and keep besides.
  @discardableResult
  package func update(
    step: Int, gradientNorm: Double, learningRate: Double? = nil,
    asking: (inout UpdateRequest) -> Void = { _ in }
  ) -> UpdateMeasurement {
    let clip = configuration.gradientClip
    let scale = clip > 0 && gradientNorm > clip ? clip / gradientNorm : 1
    let rate = learningRate ?? configuration.learningRate(ofStep: step)
    var request = UpdateRequest(
      configuration.optimizer.rule(step: step + 1, learningRate: rate),
      gradientScale: Float(scale))
    asking(&request)
    return updater.update(request)
  }

  /// The first layer that yields a number that is not finite, if any does, in the last batch.
  package func firstNonFinite() -> String? {
    let own = (0..<batch.replays).lazy.filter { self.session.owns(item: $0) }
      .compactMap { self.session.firstNonFinite(item: $0) }.first
    guard let group = session.group else { return own }
    return group.gather(bytes: Array((own ?? "").utf8)).first { !$0.isEmpty }
      .map { String(decoding: $0, as: UTF8.self) }
  }
}

/// The loss of the weights as they are, by forward passes alone.
package final class ForwardPass<B: Backend> {
  let session: Session<B>
  let batch: BatchShape

  /// Plans the passes, which use the memory of a session that never runs at the same time.
  package init(_ recorded: RecordedStep, _ batch: BatchShape, lender: Session<B>) {
    self.batch = batch
    session = Session(
      recorded.planForward(on: lender.backend), parameters: lender.parameters,
      lanes: lender.lanes, pool: lender.pool, borrowingFrom: lender, group: lender.group)
  }

  /// The mean loss of a batch.
  package func loss(of batch: Batch) throws -> Double { try measure(batch).loss }

  /// The mean loss of a batch, and the means of what else the record tells.
  ///
  /// - Throws: `RankError` where another process is lost.
  package func measure(_ batch: Batch) throws -> HeldOutLoss {
    session.feed = batch.write
    session.run(items: self.batch.replays)
    session.feed = { _ in }
    try session.group?.check()
    let names = session.plan.statistics.map(\.name).filter { $0 != "loss" }
    return HeldOutLoss(
      loss: session.mean("loss"),
      statistics: Dictionary(uniqueKeysWithValues: names.map { ($0, session.mean($0)) }))
  }

  /// Items of a batch.
  package var items: Int { batch.items }
}

/// The steps of all variants of a model, each planned once; they share memory, as one runs at a time.
package final class PlannedSteps<B: Backend, Model: TrainableModel> {
  /// The model.
  package let model: Model
  /// The session with the most memory, which any that never runs at the same time may use.
  package let lender: Session<B>

  /// How the weights move.
  package var configuration: TrainingConfiguration {
    didSet { for step in steps.values { step.configuration = configuration } }
  }
  private var steps: [Model.Variant: TrainingStep<B>] = [:]
  private var forward: [Model.Variant: ForwardPass<B>] = [:]

  /// Plans the steps of the model's variants.
  ///
  /// - Parameter group: the processes that share the lanes.
  package init(
    _ model: Model, _ configuration: TrainingConfiguration, parameters: ParameterMemory<B>,
    pool: LanePool, group: ProcessGroup? = nil
  ) throws {
    self.model = model
    self.configuration = configuration
    let plans = try model.variants.map { variant in
      let batch = model.batch(variant)
      return (variant, batch, try model.record(variant).plan(batch, on: parameters.backend))
    }
    precondition(!plans.isEmpty, "a model has a variant")
    // The largest first, whose arenas the others use.
    var lender: Session<B>?
    for (variant, batch, plan) in plans.sorted(by: { $0.2.arenaWords > $1.2.arenaWords }) {
      let step = TrainingStep(
        plan, batch, configuration, parameters: parameters, pool: pool, lender: lender,
        group: group)
      steps[variant] = step
      lender = lender ?? step.session
    }
    self.lender = lender!
  }

  /// The step of a variant.
  package func step(_ variant: Model.Variant) throws -> TrainingStep<B> {
    if let step = steps[variant] { return step }
    let step = TrainingStep(
      try model.record(variant), model.batch(variant), configuration, parameters: lender.parameters,
      pool: lender.pool, lender: lender, group: lender.group)
    steps[variant] = step
    return step
  }

  /// The losses of a variant, without gradients.
  package func forward(_ variant: Model.Variant) throws -> ForwardPass<B> {
    if let known = forward[variant] { return known }
    let pass = ForwardPass(
      try model.recordEvaluation(variant), model.batch(variant), lender: lender)
    forward[variant] = pass
    return pass
  }

  /// Lets go of steps that do not come again.
  package func discard(where isOver: (Model.Variant) -> Bool) {
    steps = steps.filter { !isOver($0.key) || $0.value.session === lender }
  }
}
