import ArgumentParser
import Training

/// Which weights of a checkpoint a command takes.
struct WeightsOption: ParsableArguments {
  /// Those to encode with, or the best evaluated ones.
  enum Choice: String, ExpressibleByArgument, CaseIterable {
    case model, best
  }

  @Option(
    help: ArgumentHelp(
      "Weights to take: those that training ended with (model), or the best evaluated ones, where "
        + "monitor.keepBest kept them (best).",
      valueName: "model|best"))
  var weights: Choice = .model

  /// The file of a checkpoint that holds them.
  var file: String { weights == .best ? Checkpoint.bestFile : Checkpoint.modelFile }
}
