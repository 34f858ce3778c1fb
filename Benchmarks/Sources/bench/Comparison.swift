import CPUBackend

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

/// Measurements of one network and one task, in turns.
struct Comparison: Codable {
  /// The network.
  let preset: Preset
  /// What was measured.
  let task: Task
  /// Images in a step.
  let batch: Int
  /// What was measured, round by round.
  var measurements: [Engine: [Measurement]] = [:]

  init(preset: Preset, task: Task, batch: Int) {
    (self.preset, self.task, self.batch) = (preset, task, batch)
  }

  /// How often everything was measured.
  var rounds: Int { measurements[.tessera]?.count ?? 0 }

  /// PyTorch's version.
  var peerVersion: String? { measurements[.torchFloat32]?.first?.version }

  /// Images a second, the median.
  func rate(_ engine: Engine) -> Double? {
    measurements[engine].map { median($0.map(\.imagesPerSecond)) }
  }

  /// How many times as fast as another Tessera is: the ratio of the medians.
  func ratio(over engine: Engine) -> Double? {
    guard let other = rate(engine), let own = rate(.tessera) else { return nil }
    return own / other
  }

  /// The median of the ratios within a round: what drifts over rounds cancels.
  func pairedRatio(over engine: Engine) -> Double? {
    guard let others = measurements[engine], let own = measurements[.tessera] else { return nil }
    return median(zip(own, others).map { $0.imagesPerSecond / $1.imagesPerSecond })
  }

  /// The most memory of a process, the median over rounds.
  func peakBytes(_ engine: Engine) -> Int? {
    let peaks = (measurements[engine] ?? []).compactMap(\.peakBytes).map(Double.init)
    return peaks.isEmpty ? nil : Int(median(peaks))
  }

  /// A row of the table.
  var cells: [String] {
    func pair(_ a: Double?, _ b: Double?) -> String {
      a == nil ? "" : Cell.decimals(a, 2) + ", " + Cell.decimals(b, 2)
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
}
