import Diagnostics
import Evaluation

extension Comparison {
  /// The comparison for a terminal: the table, a verdict a run, and under it what the numbers mean.
  ///
  /// - Parameter width: characters in a line.
  public func text(width: Int) -> String {
    var parts = [table.text(width: width)]
    let labels = names
    let labelWidth = min(24, (labels.map(\.count).max() ?? 0)) + 2
    parts.append(
      zip(labels, entries).map { name, entry in
        Paragraph.labelled(
          name + (name.count + 2 > labelWidth ? "  " : ""), Self.verdict(entry),
          labelWidth: labelWidth, width: width)
      }.joined(separator: "\n"))
    if let evaluationProtocol {
      parts.append(
        evaluationProtocol.statements.map { key, words in
          Paragraph.labelled(key, words, labelWidth: 8, width: width)
        }.joined(separator: "\n"))
    }
    return parts.joined(separator: "\n\n")
  }

  /// The numbers, a run a row.
  public var table: TextTable {
    var table = TextTable([
      .init("run", isText: true), .init("verdict", isText: true),
      .init("quantizer", isText: true), .init("codes K"), .init("bits/token"),
      .init("bits/pixel"), .init("PSNR dB"), .init("SSIM"), .init("codes used"),
      .init("usage"), .init("uniform"), .init("tokens n"), .init("perplexity"),
      .init("dead codes"), .init("error"), .init("parameters"), .init("steps"),
      .init("training images/s"), .init("evaluation images/s"),
    ])
    for (name, entry) in zip(names, entries) {
      guard let run = entry.run else {
        table.add([name, "failed"] + Array(repeating: "-", count: table.columns.count - 2))
        continue
      }
      table.add([
        name, run.health.verdict.rawValue, run.quantizer.words,
        NumberText.count(run.usage.codes), NumberText.decimals(run.bitsPerToken, 2),
        NumberText.decimals(run.bitsPerPixel, 3), NumberText.decimals(run.psnr, 2),
        NumberText.decimals(run.ssim, 4), NumberText.count(run.usage.used),
        NumberText.percent(run.usage.usage),
        NumberText.percent(run.usage.expectedUniformUsage),
        NumberText.count(run.usage.tokens), NumberText.decimals(run.usage.perplexity, 1),
        NumberText.count(run.usage.deadCodes), NumberText.significant(run.quantizationError),
        NumberText.count(run.parameters), NumberText.count(run.steps),
        NumberText.decimals(run.trainingRate, 1), NumberText.decimals(run.evaluationRate, 1),
      ])
    }
    return table
  }

  private static func verdict(_ entry: Entry) -> String {
    switch entry.outcome {
    case .failed(let reason): return "failed: " + reason
    case .evaluated(let run):
      let known = run.imagesTrainedOn ?? 0
      guard known > 0 else { return run.verdictWords }
      return run.verdictWords + "; it was trained on \(NumberText.count(known)) of these "
        + "\(NumberText.count(run.images)) images, which flatters its numbers"
    }
  }
}
