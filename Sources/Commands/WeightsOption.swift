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
      "Weights to use: those saved last (model), or the best evaluated ones (best), if the run "
        + "set monitor.keepBest.",
      valueName: "model|best"))
  var weights: Choice = .model

  /// The file of a checkpoint that holds them.
  var file: String { weights == .best ? Checkpoint.bestFile : Checkpoint.modelFile }
}
