import Autodiff
import Execution

/// A model that can be trained: what one replay of each of its steps computes.
///
/// A trainer plans every variant once, deals the items of a batch to lanes, sums gradients and
/// statistics over them, and moves the weights. It knows nothing else of the model.
package protocol TrainableModel<Variant> {
  /// What tells steps apart that are planned apart, such as the size of images.
  associatedtype Variant: Hashable

  /// The variants that are planned before the first step; others are when they first come.
  var variants: [Variant] { get }

  /// The variant of a step, counted from 0: a function of the step alone.
  func variant(ofStep step: Int) -> Variant

  /// The items of a batch, and how many a replay computes at a time.
  func batch(_ variant: Variant) -> BatchShape

  /// Records the forward pass and the loss of the items of one replay.
  ///
  /// All variants declare the same parameters.
  func record(_ variant: Variant) throws -> RecordedStep

  /// Records the same to evaluate weights with: the loss, and what they make of the items.
  func recordEvaluation(_ variant: Variant) throws -> RecordedStep

  /// Whether the loss of an evaluation is that of the variant's steps.
  func evaluatesTrainingLoss(_ variant: Variant) -> Bool

  /// What an item is, in the plural: "images", in reports and as the key `imagesPerSecond` of the log.
  var items: String { get }

  /// The numbers of a report, from the means of a step's statistics.
  func report(_ statistics: [String: Double]) -> [String: Double]

  /// The part of the model that a trained tensor belongs to, for diagnostics by part.
  func module(ofParameter name: String) -> String

  /// What moves weights beside the optimizer.
  var outsideOptimizer: OutsideOptimizer { get }
}

extension TrainableModel {
  package func evaluatesTrainingLoss(_ variant: Variant) -> Bool { true }
  package var items: String { "items" }
  package func report(_ statistics: [String: Double]) -> [String: Double] { statistics }
  /// The name's first part: `encoder` of `encoder.conv_in.weight`.
  package func module(ofParameter name: String) -> String {
    String(name.prefix { $0 != "." })
  }
  package var outsideOptimizer: OutsideOptimizer { [] }
}

/// What moves weights beside the optimizer: then theorems about its steps do not speak of them.
package struct OutsideOptimizer: OptionSet, Sendable {
  /// Weights that the optimizer trains are replaced between steps.
  package static let replacesTrained = OutsideOptimizer(rawValue: 1)
  /// Weights that it does not train move.
  package static let movesOthers = OutsideOptimizer(rawValue: 2)

  package let rawValue: Int
  package init(rawValue: Int) { self.rawValue = rawValue }
}

/// Where the batches of a run come from.
///
/// A batch is a function of the seed and the step alone, so that a run that is resumed gets the batches
/// that it would have got.
package protocol BatchSource: AnyObject {
  /// Calls `body` with the batch of a step, counted from 0; it is valid until `body` returns.
  ///
  /// Steps are asked for in rising order.
  func withBatch<Result>(step: Int, _ body: (Batch) throws -> Result) throws -> Result

  /// Ends what prepares batches ahead.
  func stop()
}

/// How a batch is divided into replays.
package struct BatchShape: Equatable, Sendable {
  /// Items of a batch.
  package let items: Int
  /// Items that a replay computes at a time; they divide those of a batch.
  package let itemsPerReplay: Int

  /// A shape.
  package init(items: Int, itemsPerReplay: Int) {
    precondition(
      itemsPerReplay > 0 && items.isMultiple(of: itemsPerReplay), "replays share a batch evenly")
    self.items = items
    self.itemsPerReplay = itemsPerReplay
  }

  /// Replays of a batch.
  package var replays: Int { items / itemsPerReplay }
}

/// What one replay computes, recorded in a graph, whose inputs a ``Batch`` provides.
package struct RecordedStep {
  /// The record.
  package let graph: Graph
  /// What is minimized: a scalar, the mean over the items.
  package let loss: Tensor
  /// Scalars of which the mean over a batch is of interest, by name.
  package var statistics: [String: Tensor]
  /// Values that a ``ReplayReader`` may read, by name.
  package var outputs: [String: Tensor]
  /// Values at which the gradient of the loss may be read, by the name of that output.
  package var gradients: [String: Tensor]

  /// A record.
  package init(
    _ graph: Graph, loss: Tensor, statistics: [String: Tensor] = [:],
    outputs: [String: Tensor] = [:], gradients: [String: Tensor] = [:]
  ) {
    self.graph = graph
    self.loss = loss
    self.statistics = statistics
    self.outputs = outputs
    self.gradients = gradients
  }

  /// The plan of the losses alone, without gradients.
  func planForward<B: Backend>(on backend: B) -> Plan {
    Plan(
      graph, outputs: outputs, statistics: statistics.merging(["loss": loss]) { $1 }, on: backend)
  }

  /// The plan of the losses and their gradients, which add up to those of a batch's mean loss.
  package func plan<B: Backend>(_ batch: BatchShape, on backend: B) -> Plan {
    let names = gradients.keys.sorted()
    let found = graph.differentiate(
      loss, seed: Float(batch.itemsPerReplay) / Float(batch.items),
      withRespectTo: names.map { gradients[$0]! })
    return Plan(
      graph, outputs: outputs.merging(zip(names, found)) { $1 },
      statistics: statistics.merging(["loss": loss]) { $1 }, on: backend)
  }
}

/// The inputs of a step: of each, the words of all items of the batch, one item after the other.
///
/// The memory is its maker's, and valid as long as that says.
package struct Batch {
  /// The inputs by name: floats or 32-bit indices, as the graph has them.
  package let inputs: [(name: String, words: UnsafeRawPointer)]

  /// A batch of several inputs.
  package init(_ inputs: [(name: String, words: UnsafeRawPointer)]) { self.inputs = inputs }

  /// Writes the items of one replay.
  func write<B: Backend>(to replay: Session<B>.Replay) {
    for input in inputs {
      guard let words = replay.words(ofInput: input.name) else { continue }
      replay.write(
        input.name,
        words: input.words + replay.item * words * MemoryLayout<Float>.stride)
    }
  }
}

/// What reads outputs of replays, each in its lane's own thread, and keeps them at the replay's place.
package protocol ReplayReader: AnyObject {
  /// What it keeps of a batch: blocks of equal parts, one a replay. Parts of replays that other processes made
  /// are filled in before anyone looks at them.
  var blocks: [UnsafeMutableRawBufferPointer] { get }

  /// Copies what one replay made.
  func take<B: Backend>(_ replay: Session<B>.Replay)
}
