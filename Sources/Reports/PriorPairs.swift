import Configuration
import Formatting

/// A tokenizer and a prior over its tokens: what is left of an image, and what that costs.
public struct TokenizerPriorPair: Sendable {
  /// The places of both among the comparison's entries.
  public let tokenizer, prior: Int
  /// The tokenizer's PSNR in dB and its SSIM as they were measured, or else those of its log; nil where
  /// neither is known.
  public let psnr, ssim: Double?
  /// The seeds of both runs; nil where they are not known.
  public let seeds: (tokenizer: String?, prior: String?)
  /// The prior.
  public let run: PriorRun

  /// Tokenizer's and prior's seed as a table shows them: `0/1`.
  public var seedWords: String { "\(seeds.tokenizer ?? "?")/\(seeds.prior ?? "?")" }
}

/// Priors that differ in nothing but their seeds, or in those of their tokenizers.
public struct PriorSeeds: Sendable {
  /// A mean, and half the range around it.
  public struct Spread: Sendable, Equatable {
    /// The mean.
    public let mean: Double
    /// Half the difference of the greatest and the least.
    public let half: Double

    /// Mean and half the range of values; nil without values.
    init?(_ values: [Double]) {
      guard let least = values.min(), let most = values.max() else { return nil }
      (mean, half) = (values.reduce(0, +) / Double(values.count), (most - least) / 2)
    }

    /// In words: `1.503 ± 0.004`.
    func words(_ digits: Int, scale: Double = 1) -> String {
      NumberText.decimals(mean * scale, digits) + " ± " + NumberText.decimals(half * scale, digits)
    }
  }

  /// Their places among the comparison's entries.
  public let priors: [Int]
  /// Bits a token and bits a pixel under the prior, the fraction of the budget that is saved.
  public let bitsPerToken, bitsPerPixel, saved: Spread
  /// PSNR in dB of their tokenizers; nil where they have one tokenizer, or it is not known of all.
  public let psnr: Spread?
  /// Whether the seed chose other held-out images too, as it does where a fraction is held out.
  public let hasOtherImages: Bool
}

extension Comparison {
  /// Each prior whose tokenizer is among the runs, with that tokenizer, in the order of the priors.
  public var pairs: [TokenizerPriorPair] {
    entries.enumerated().compactMap { index, entry in
      guard let prior = entry.prior,
        let place = entries.firstIndex(where: { $0.fingerprint == prior.tokens.fingerprint })
      else { return nil }
      let tokenizer = entries[place]
      return TokenizerPriorPair(
        tokenizer: place, prior: index,
        psnr: tokenizer.run?.psnr ?? tokenizer.recorded?.evaluation["psnr"],
        ssim: tokenizer.run?.ssim ?? tokenizer.recorded?.evaluation["ssim"],
        seeds: (tokenizer.setting("training.seed"), entry.setting("training.seed")), run: prior)
    }
  }

  /// Whether a run is a prior.
  var hasPriors: Bool { entries.contains { $0.prior != nil } }

  /// Priors, two or more together, that differ in seeds alone.
  public var priorSeeds: [PriorSeeds] {
    let pairs = pairs
    var groups: [(key: [String], members: [Int])] = []
    for (index, entry) in entries.enumerated() {
      guard let prior = entry.prior, entry.configuration != nil else { continue }
      let pair = pairs.first { $0.prior == index }
      let tokenizer =
        pair.map { entries[$0.tokenizer].settings(without: Self.chance) }
        ?? ["tokenizer=\(prior.tokens.fingerprint)"]
      let key = tokenizer + Self.training(entry, prior).map { "\($0.key)=\($0.value)" }
      if let place = groups.firstIndex(where: { $0.key == key }) {
        groups[place].members.append(index)
      } else {
        groups.append((key, [index]))
      }
    }
    return groups.compactMap { _, members in
      let own = pairs.filter { members.contains($0.prior) }
      let seeds = Set(
        members.map { index in
          let tokenizer = own.first { $0.prior == index }?.seeds.tokenizer
          return "\(tokenizer ?? "") \(entries[index].setting("training.seed") ?? "")"
        })
      // A folder that was named twice is no second seed.
      guard seeds.count == members.count, members.count > 1 else { return nil }
      let runs = members.compactMap { entries[$0].prior }
      guard let token = PriorSeeds.Spread(runs.map(\.bitsPerToken)),
        let pixel = PriorSeeds.Spread(runs.map(\.bitsPerPixel)),
        let saved = PriorSeeds.Spread(runs.map(\.saved))
      else { return nil }
      let psnr = own.compactMap(\.psnr)
      let hasOneTokenizer = Set(runs.map(\.tokens.fingerprint)).count == 1
      return PriorSeeds(
        priors: members, bitsPerToken: token, bitsPerPixel: pixel, saved: saved,
        psnr: psnr.count == members.count && !hasOneTokenizer ? PriorSeeds.Spread(psnr) : nil,
        // The same images cost the same by frequency, wherever the same others were learned from.
        hasOtherImages: hasOneTokenizer && Set(runs.map(\.marginal)).count > 1)
    }
  }

  /// Settings that a seed, a machine or a monitor stands behind: they tell no two ways of training apart.
  private static let chance = [
    "training.seed", "training.lanes", "training.microBatch", "monitor.",
  ]

  /// How a prior was trained, by key; its data are left out, but not how many images they are.
  private static func training(_ entry: Entry, _ run: PriorRun) -> [(key: String, value: String)] {
    func count(_ value: Int?) -> String { value.map(Display.count) ?? "unknown" }
    return RunFacts.settings(of: entry.configuration).filter { setting in
      !(chance + ["data.", "kind"]).contains { setting.key.hasPrefix($0) }
    } + [
      ("steps made", count(run.steps)), ("images to train on", count(run.trainingImages)),
      ("images to evaluate on", count(run.images)), ("classes", count(run.tokens.classes)),
    ]
  }

  // MARK: Notes

  /// What should be known before priors are compared, a sentence each.
  public var priorNotes: [String] {
    [unmatched, unlike].compactMap { $0 } + otherGrids + [unlikeQuality].compactMap { $0 }
      + outdatedQuality
  }

  /// Priors whose tokenizer is not among the runs, by fingerprint.
  private var unmatched: String? {
    let paired = Set(pairs.map(\.prior))
    var groups: [(tokens: PriorRun.Tokens, names: [String])] = []
    for (index, (name, entry)) in zip(names, entries).enumerated() {
      guard let tokens = entry.prior?.tokens, !paired.contains(index) else { continue }
      if let place = groups.firstIndex(where: { $0.tokens.fingerprint == tokens.fingerprint }) {
        groups[place].names.append(name)
      } else {
        groups.append((tokens, [name]))
      }
    }
    guard let first = groups.first else { return nil }
    func words(_ tokens: PriorRun.Tokens) -> String {
      "(\(tokens.quantizer), fingerprint \(tokens.fingerprint))"
    }
    let end = "too, to see PSNR beside the rate."
    guard groups.count > 1 else {
      return "The tokenizer of \(first.names.joinedInWords) is not among the runs "
        + "\(words(first.tokens)). Name its folder \(end)"
    }
    let list = groups.map { "\($0.names.joinedInWords) \(words($0.tokens))" }
    return "The tokenizers of these priors are not among the runs: "
      + "\(list.joined(separator: ", ")). Name their folders \(end)"
  }

  /// How the priors of pairs differ beside their data and seeds; nil where they do not.
  private var unlike: String? {
    let names = names
    let runs = pairs.map { (names[$0.prior], Self.training(entries[$0.prior], $0.run)) }
    let differences = Self.differences(runs)
    guard !differences.isEmpty else { return nil }
    let shown = differences.prefix(Self.mostDifferences)
    let more = differences.count - shown.count
    return "The priors were not trained alike, so that their rates differ by that too: "
      + shown.joined(separator: "; ") + (more > 0 ? "; and \(more) more" : "") + "."
  }

  /// The settings in which runs differ, with the values and whose they are.
  private static func differences(
    _ runs: [(name: String, settings: [(key: String, value: String)])]
  ) -> [String] {
    var keys: [String] = []
    for (_, settings) in runs {
      for setting in settings where !keys.contains(setting.key) { keys.append(setting.key) }
    }
    return keys.compactMap { key -> String? in
      var values: [(value: String, names: [String])] = []
      for (name, settings) in runs {
        let value = settings.first { $0.key == key }?.value ?? "not set"
        if let place = values.firstIndex(where: { $0.value == value }) {
          values[place].names.append(name)
        } else {
          values.append((value, [name]))
        }
      }
      guard values.count > 1 else { return nil }
      return
        "\(key) \(values.map { "\($0.value) (\($0.names.joinedInWords))" }.joined(separator: ", "))"
    }
  }

  /// Whether what a prior draws was measured.
  var hasQuality: Bool { entries.contains { $0.prior?.quality != nil } }

  /// How the measurements of what priors draw differ; nil where they do not.
  private var unlikeQuality: String? {
    let runs = zip(names, entries).compactMap { name, entry in
      entry.prior?.quality.map { (name, $0.conditions) }
    }
    let differences = Self.differences(runs)
    guard !differences.isEmpty else { return nil }
    return
      "The quality of what the priors draw was not measured alike, so that their numbers cannot be "
      + "compared: \(differences.joined(separator: "; "))."
  }

  /// Priors that were trained on since their images were measured.
  private var outdatedQuality: [String] {
    zip(names, entries).compactMap { name, entry in
      guard let run = entry.prior, let step = run.quality?.step, step != run.steps else {
        return nil
      }
      return "The quality of what \(name) draws was measured at step \(Display.count(step)) of "
        + "\(Display.count(run.steps))."
    }
  }

  /// Differences that a note lists at most.
  private static let mostDifferences = 6

  /// Pairs whose prior has learned images of another size than PSNR is measured on.
  private var otherGrids: [String] {
    let names = names
    return pairs.compactMap { pair in
      guard let run = entries[pair.tokenizer].run, run.images > 0 else { return nil }
      let (measured, learned) = (
        run.tokens / run.images, pair.run.tokens.rows * pair.run.tokens.columns
      )
      guard measured != learned else { return nil }
      return
        "\(names[pair.prior]) has learned images of \(Display.count(learned)) tokens, but PSNR is "
        + "measured on images of \(Display.count(measured)): rate and PSNR do not belong together. Encode "
        + "with --size model."
    }
  }
}

extension Comparison.Entry {
  /// The fingerprint of a tokenizer, by which priors name it; nil of other runs.
  var fingerprint: String? { run?.fingerprint ?? recorded?.fingerprint }

  /// A setting as text; nil where it is not known.
  func setting(_ key: String) -> String? {
    RunFacts.settings(of: configuration).first { $0.key == key }?.value
  }

  /// All settings but those whose keys begin with a given text.
  fileprivate func settings(without prefixes: [String]) -> [String] {
    RunFacts.settings(of: configuration)
      .filter { setting in !prefixes.contains { setting.key.hasPrefix($0) } }
      .map { "\($0.key)=\($0.value)" }
  }
}
