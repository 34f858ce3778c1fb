import CPUBackend
import Reports

/// The device that Tessera computes on.
typealias Device = CPUBackend

/// Who computes.
enum Engine: String, Codable, CaseIterable, CodingKeyRepresentable {
  case tessera
  case torchFloat32
  case torchBfloat16

  /// Its name.
  var title: String {
    switch self {
    case .tessera: "Tessera"
    case .torchFloat32: "PyTorch float32"
    case .torchBfloat16: "PyTorch bfloat16"
    }
  }

  /// PyTorch's number format; nil for Tessera.
  var precision: Torch.Precision? {
    switch self {
    case .tessera: nil
    case .torchFloat32: .float32
    case .torchBfloat16: .bfloat16
    }
  }
}

/// A rate that was measured in a process of its own.
protocol Rated: Codable {
  /// Items a second.
  var rate: Double { get }
  /// The most memory that the process had at once.
  var peakBytes: Int? { get }
  /// The program and its version, where it tells.
  var version: String? { get }
}

/// Measurements of one network and one task, in turns.
struct Comparison<Network, Task, Measurement>: Codable
where
  Network: RawRepresentable<String> & Codable, Task: RawRepresentable<String> & Codable,
  Measurement: Rated
{
  /// The network.
  let preset: Network
  /// What was measured.
  let task: Task
  /// Images in a step.
  let batch: Int
  /// What was measured, round by round.
  var measurements: [Engine: [Measurement]] = [:]

  init(preset: Network, task: Task, batch: Int) {
    (self.preset, self.task, self.batch) = (preset, task, batch)
  }

  /// How often everything was measured.
  var rounds: Int { measurements[.tessera]?.count ?? 0 }

  /// PyTorch's version.
  var peerVersion: String? { measurements[.torchFloat32]?.first?.version }

  /// Items a second, the median.
  func rate(_ engine: Engine) -> Double? {
    measurements[engine].map { median($0.map(\.rate)) }
  }

  /// How many times as fast as another Tessera is: the ratio of the medians.
  func ratio(over engine: Engine) -> Double? {
    guard let other = rate(engine), let own = rate(.tessera) else { return nil }
    return own / other
  }

  /// The median of the ratios within a round: what drifts over rounds cancels.
  func pairedRatio(over engine: Engine) -> Double? {
    guard let others = measurements[engine], let own = measurements[.tessera] else { return nil }
    return median(zip(own, others).map { $0.rate / $1.rate })
  }

  /// The most memory of a process, the median over rounds.
  func peakBytes(_ engine: Engine) -> Int? {
    let peaks = (measurements[engine] ?? []).compactMap(\.peakBytes).map(Double.init)
    return peaks.isEmpty ? nil : Int(median(peaks))
  }

  /// A row of the table.
  var cells: [String] {
    func pair(_ a: Double?, _ b: Double?) -> String {
      [a, b].compactMap { $0 }.map { Cell.decimals($0, 2) }.joined(separator: ", ")
    }
    let (own, other) = (peakBytes(.tessera), peakBytes(.torchFloat32))
    var share = ""
    if let own, let other { share = Cell.decimals(Double(own) / Double(other), 2) }
    return [
      preset.rawValue, task.rawValue, String(rounds), Cell.significant(rate(.torchFloat32)),
      Cell.significant(rate(.torchBfloat16)), Cell.significant(rate(.tessera)),
      Cell.decimals(ratio(over: .torchFloat32), 2), Cell.decimals(ratio(over: .torchBfloat16), 2),
      pair(pairedRatio(over: .torchFloat32), pairedRatio(over: .torchBfloat16)),
      Cell.megabytes(other), Cell.megabytes(own), share,
    ]
  }

  /// All as a table, with what its numbers are.
  ///
  /// - Parameter items: what is counted, in the plural and at the start of a sentence.
  static func table(_ comparisons: [Self], of items: String) -> String {
    var table = MarkdownTable(
      [
        "network", "task", "rounds", "PyTorch float32", "PyTorch bfloat16", "Tessera", "x float32",
        "x bfloat16", "in pairs", "PyTorch peak", "Tessera peak", "share",
      ], textColumns: 2)
    for comparison in comparisons { table.add(comparison.cells) }
    return table.text
      + """


      \(items) a second, medians over the rounds; x is Tessera's over PyTorch's, "in pairs" the \
      medians of the ratios within a round. Peak memory of the processes, PyTorch's in float32.
      """
  }
}
