import Diagnostics
import Evaluation
import Formatting
import Tokenizers

extension Comparison {
  /// The comparison for a terminal: the tables, a verdict a run with what to do next, what to mind, and
  /// which images.
  ///
  /// - Parameters:
  ///   - width: characters in a line.
  ///   - explains: whether it ends with what the numbers mean.
  public func text(width: Int, explains: Bool = false) -> String {
    let pairs = pairs
    var parts = tabled.isEmpty ? [] : [table.text(width: width)]
    if hasPriors {
      parts.append((parts.isEmpty ? "" : "Priors\n\n") + priorTable.text(width: width))
    }
    if !pairs.isEmpty {
      parts.append("Tokenizers with their priors\n\n" + pairTable.text(width: width))
    }
    if !generators.isEmpty {
      parts.append("Generators\n\n" + generatorTable.text(width: width))
    }
    let labels = names
    let labelWidth = min(24, (labels.map(\.count).max() ?? 0)) + 2
    parts.append(
      zip(labels, entries).map { name, entry in
        Paragraph.labelled(
          name + (name.count + 2 > labelWidth ? "  " : ""),
          Judgement(entry, folder: entry.checkpoint).words, labelWidth: labelWidth, width: width)
      }.joined(separator: "\n"))
    let remarks = seedStatements.map { ("Seeds", $0) } + priorNotes.map { ("Note", $0) }
    if !remarks.isEmpty {
      parts.append(
        remarks.map { Paragraph.labelled($0, $1, labelWidth: 7, width: width) }
          .joined(separator: "\n"))
    }
    let statements =
      (evaluationProtocol?.statements ?? []) + priorStatements + generatorStatements
    if explains, !statements.isEmpty {
      parts.append(
        statements.map { Paragraph.labelled($0, $1, labelWidth: 9, width: width) }
          .joined(separator: "\n"))
    } else if let evaluationProtocol {
      parts.append(
        Paragraph.labelled(
          "On",
          "\(evaluationProtocol.selection), \(evaluationProtocol.squares)"
            + (evaluationProtocol.sizes.count > 1
              ? ": compare PSNR, SSIM and bits/pixel only between runs of one size" : "")
            + (hasPriors ? "; priors on their own held-out images" : "")
            + ". What the numbers mean: --explain", labelWidth: 3, width: width))
    } else if hasPriors || !generators.isEmpty {
      parts.append("What the numbers mean: --explain")
    }
    return parts.joined(separator: "\n\n")
  }

  /// The numbers of tokenizers and models of one's own, a run a row.
  public var table: TextTable {
    let runs = tabled
    let entries = runs.map(\.entry)
    let isDeep = entries.contains { $0.run?.usageByDepth.count ?? 0 > 1 }
    let hasLatents = entries.contains {
      ($0.run?.quantizer ?? $0.recorded?.quantizer)?.isContinuous ?? false
    }
    let hasModels = entries.contains { $0.recorded?.isTokenizer == false }
    let columns: [(column: TextTable.Column, cell: (Entry) -> String)] = [
      (.init("verdict", isText: true), { Judgement($0, folder: "").title }),
      (
        .init("quantizer", isText: true),
        { ($0.run?.quantizer ?? $0.recorded?.quantizer)?.words ?? "-" }
      ),
      (
        .init("codes K"),
        { Self.count(Self.coded($0)?.usage.codes ?? $0.recorded?.integer("codes")) }
      ),
      (.init("bits/token"), { NumberText.decimals(Self.coded($0)?.bitsPerToken, 2) }),
      (
        .init("bits/pixel"),
        {
          NumberText.decimals(
            Self.coded($0)?.bitsPerPixel ?? $0.recorded?.evaluation["bitsPerPixel"], 3)
        }
      ),
      (
        .init("PSNR dB"),
        { NumberText.decimals($0.run?.psnr ?? $0.recorded?.evaluation["psnr"], 2) }
      ),
      (.init("SSIM"), { NumberText.decimals($0.run?.ssim ?? $0.recorded?.evaluation["ssim"], 4) }),
      (
        .init("codes used"),
        { Self.count(Self.coded($0)?.usage.used ?? $0.recorded?.integer("usedCodes")) }
      ),
      (
        .init("usage"),
        { NumberText.percent(Self.coded($0)?.usage.usage ?? $0.recorded?.evaluation["usage"]) }
      ),
      (
        .init("uniform"),
        {
          NumberText.percent(
            Self.coded($0)?.usage.expectedUniformUsage
              ?? $0.recorded?.evaluation["expectedUniformUsage"])
        }
      ),
      (
        .init("ids n"),
        {
          Self.count(
            Self.coded($0)?.usage.ids ?? $0.recorded?.integer("ids")
              ?? $0.recorded?.integer("tokens"))
        }
      ),
      (
        .init("perplexity"),
        {
          NumberText.decimals(
            Self.coded($0)?.usage.perplexity ?? $0.recorded?.evaluation["perplexity"], 1)
        }
      ),
      (.init("used by depth", isText: true), { Self.depths($0) }),
      (.init("dead codes"), { Self.count(Self.coded($0)?.usage.deadCodes) }),
      (
        .init("error"),
        {
          NumberText.significant(
            Self.coded($0)?.quantizationError ?? $0.recorded?.evaluation["quantizationError"])
        }
      ),
      (
        .init("latent rank"),
        {
          NumberText.decimals(
            Self.continuous($0)?.evidence.latents.effectiveRank
              ?? Self.recordedLatents($0)?["latentRank"], 2)
        }
      ),
      (
        .init("KL nats/image"),
        {
          NumberText.significant(
            Self.continuous($0)?.latentUse?.kl ?? Self.recordedLatents($0)?["kl"])
        }
      ),
      (.init("KL by channel", isText: true), { Self.divergences($0) }),
      (
        .init("dead channels"),
        {
          Self.count(
            Self.continuous($0)?.latentUse?.deadChannels.count
              ?? (Self.recordedLatents($0) == nil ? nil : $0.recorded?.integer("deadChannels")))
        }
      ),
      (.init("parameters"), { Self.count($0.run?.parameters ?? $0.recorded?.parameters) }),
      (.init("steps"), { Self.count($0.run?.steps ?? $0.recorded?.steps) }),
      (
        .init(hasModels ? "training items/s" : "training images/s"),
        { NumberText.decimals($0.run?.trainingRate ?? $0.recorded?.trainingRate, 1) }
      ),
      (.init("evaluation images/s"), { NumberText.decimals($0.run?.evaluationRate, 1) }),
      (
        .init("training loss"),
        { $0.recorded.map { $0.isTokenizer ? "-" : NumberText.significant($0.lastLoss) } ?? "-" }
      ),
      (
        .init("held-out loss"),
        {
          $0.recorded.map { $0.isTokenizer ? "-" : NumberText.significant($0.evaluation["loss"]) }
            ?? "-"
        }
      ),
    ].filter { column in
      if column.column.title == "used by depth" { return isDeep }
      if Self.latentTitles.contains(column.column.title) {
        return hasLatents && entries.contains { column.cell($0) != "-" }
      }
      if hasLatents, Self.codeTitles.contains(column.column.title) {
        return entries.contains { column.cell($0) != "-" }
      }
      if !hasModels { return !["training loss", "held-out loss"].contains(column.column.title) }
      // What only tokenizers have is left out where there are none.
      return entries.contains { column.cell($0) != "-" }
    }
    var table = TextTable([.init("run", isText: true)] + columns.map(\.column))
    for run in runs { table.add([run.name] + columns.map { $0.cell(run.entry) }) }
    return table
  }

  /// Columns of what only latents have that are not quantized.
  static let latentTitles = ["latent rank", "KL nats/image", "KL by channel", "dead channels"]

  /// Columns of what only codes have.
  private static let codeTitles = [
    "codes K", "bits/token", "bits/pixel", "codes used", "usage", "uniform", "ids n", "perplexity",
    "dead codes", "error",
  ]

  /// The measurements of a run that has codes.
  private static func coded(_ entry: Entry) -> EvaluatedRun? {
    entry.run.flatMap { $0.isContinuous ? nil : $0 }
  }

  /// The measurements of a run that has none.
  private static func continuous(_ entry: Entry) -> EvaluatedRun? {
    entry.run.flatMap { $0.isContinuous ? $0 : nil }
  }

  /// The last evaluation of a run that has none, where it was not evaluated again.
  private static func recordedLatents(_ entry: Entry) -> [String: Double]? {
    entry.recorded.flatMap { $0.quantizer.isContinuous ? $0.evaluation : nil }
  }

  /// Nats of each channel, a latent vector: the first eight.
  private static func divergences(_ entry: Entry) -> String {
    guard let nats = continuous(entry)?.latentUse?.klByChannel else { return "-" }
    return nats.prefix(8).map { Display.significant($0, 2) }.joined(separator: " ")
      + (nats.count > 8 ? " ..." : "")
  }

  private static func count(_ value: Int?) -> String { value.map(Display.count) ?? "-" }

  private static func depths(_ entry: Entry) -> String {
    guard let depths = entry.run?.usageByDepth, depths.count > 1 else { return "-" }
    let shown = depths.prefix(8).map { Display.count($0.used) }.joined(separator: " ")
    return shown + (depths.count > 8 ? " ..." : "")
  }
}

extension RecordedRun {
  /// A whole number of the last evaluation.
  func integer(_ key: String) -> Int? {
    evaluation[key].flatMap { $0.magnitude < 1e15 ? Int($0) : nil }
  }
}
