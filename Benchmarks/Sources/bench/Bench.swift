import ArgumentParser

/// Measures Tessera, alone and beside PyTorch.
@main
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures Tessera, alone and beside PyTorch.",
    discussion: """
      Runs from the root of the repository, after make build. Tables go to standard output as \
      Markdown, numbers to Benchmarks/results, plots to Benchmarks/plots.
      """,
    subcommands: [
      Peers.self, KernelRates.self, EncodeTimes.self, LoadingRates.self, MonitorCost.self,
      Growth.self, PriorPeers.self, PriorGrowth.self, PriorQuality.self, ContinuousPeers.self,
      Rivals.self, RankScaling.self, Accuracy.self, Study.self, Measure.self,
    ],
    defaultSubcommand: Peers.self)
}

/// What all sections take.
struct BenchOptions: ParsableArguments {
  @Option(help: "Times that everything is measured; each section has its own default.")
  var rounds: Int?

  @Option(help: "The networks, out of tiny,small,vqgan; each section has its own default.")
  var presets: String?

  @Option(help: "Lanes of Tessera, and threads of PyTorch.")
  var threads = 2

  @Option(help: "Recorded with the results: the flags that Tessera was built with.")
  var buildFlags = ""

  func validate() throws {
    if let rounds, rounds < 1 { throw ValidationError("--rounds: expected at least 1") }
    if threads < 1 { throw ValidationError("--threads: expected at least 1") }
    _ = try presets(else: [])
  }

  /// The networks that were asked for.
  func presets(else standard: [Preset]) throws -> [Preset] {
    try presets.map { try [Preset](list: $0) } ?? standard
  }
}

/// Why a measurement could not be made.
struct BenchmarkError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
