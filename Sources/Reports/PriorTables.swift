import Formatting

extension Comparison {
  /// What held-out tokens cost, a prior a row.
  public var priorTable: TextTable {
    var columns: [(title: String, cell: (PriorRun) -> String)] = [
      ("bits/token", { NumberText.decimals($0.bitsPerToken, 3) }),
      ("bits/image", { NumberText.decimals($0.bitsPerImage, 1) }),
      ("bits/pixel", { NumberText.decimals($0.bitsPerPixel, 3) }),
      ("budget", { NumberText.decimals($0.budget, 2) }),
      ("marginal", { NumberText.decimals($0.marginal, 2) }),
      ("bigram", { NumberText.decimals($0.bigram, 2) }),
      ("images", { Display.count($0.images) }),
      ("parameters", { Display.count($0.parameters) }),
      ("steps", { Display.count($0.steps) }),
    ]
    if hasQuality {
      columns += QualityRecord.columns.map { column in
        (column.title, { column.cell($0.quality) })
      }
    }
    var table = TextTable([.init("prior", isText: true)] + columns.map { .init($0.title) })
    for (name, entry) in zip(names, entries) {
      if let prior = entry.prior { table.add([name] + columns.map { $0.cell(prior) }) }
    }
    return table
  }

  /// Rate and distortion, a pair a row.
  public var pairTable: TextTable {
    let names = names
    let columns: [(column: TextTable.Column, cell: (TokenizerPriorPair) -> String)] = [
      (.init("tokenizer", isText: true), { names[$0.tokenizer] }),
      (.init("seeds", isText: true), { $0.seedWords }),
      (.init("PSNR dB"), { NumberText.decimals($0.psnr, 2) }),
      (.init("SSIM"), { NumberText.decimals($0.ssim, 4) }),
      (.init("bits/pixel, budget"), { NumberText.decimals($0.run.budgetPerPixel, 3) }),
      (.init("bits/pixel, prior"), { NumberText.decimals($0.run.bitsPerPixel, 3) }),
      (.init("saved"), { NumberText.percent($0.run.saved) }),
    ]
    var table = TextTable([.init("prior", isText: true)] + columns.map(\.column))
    for pair in pairs { table.add([names[pair.prior]] + columns.map { $0.cell(pair) }) }
    return table
  }

  /// Mean and spread of priors that differ in seeds alone, a sentence each.
  public var seedStatements: [String] {
    let names = names
    return priorSeeds.map { group in
      let psnr = group.psnr.map { ", PSNR \($0.words(2)) dB" } ?? ""
      return "\(group.priors.map { names[$0] }.joinedInWords) differ in their seeds alone: "
        + "\(group.bitsPerToken.words(3)) bits/token, \(group.bitsPerPixel.words(3)) bits/pixel, "
        + "\(group.saved.words(1, scale: 100))% saved\(psnr) (mean ± half the range)."
        + (group.hasOtherImages ? " The seed chose their held-out images too." : "")
    }
  }

  /// What the numbers of priors mean, by keyword; empty without priors.
  public var priorStatements: [(key: String, words: String)] {
    guard hasPriors else { return [] }
    let bits = [
      (
        "bits",
        "of a prior: what its held-out images cost by the last evaluation in its log, -log2 of the "
          + "probability of each id given those before it and the class; bits/pixel over the pixels "
          + "that were encoded."
      ),
      (
        "budget",
        "bits/token without a prior, log2 K for each id; marginal: by the frequencies of ids in the "
          + "training tokens; bigram: by the id before, mixed with the frequencies."
      ),
    ]
    let quality =
      hasQuality
      ? [
        (
          "quality",
          "of images that a prior drew, by tessera quality: squared Fréchet distance in features, SWD the "
            + "sliced Wasserstein distance of patches, in brackets what one half of the real images has "
            + "against the other; precision and recall by balls to the third neighbour; n images a set."
        )
      ] : []
    guard !pairs.isEmpty else { return bits + quality }
    return bits + quality + [
      (
        "saved",
        "the fraction of the budget that the prior saves. PSNR and SSIM are the tokenizer's on the "
          + "images of this comparison, bits those of the prior's own held-out images. Seeds: "
          + "tokenizer/prior."
      )
    ]
  }

  /// The rows of the table of tokenizers and models, with their places: all runs but priors.
  ///
  /// Failed runs are rows among others, but no table of their own beside priors.
  var tabled: [(index: Int, name: String, entry: Entry)] {
    let all = zip(names, entries).enumerated().map { ($0.offset, $0.element.0, $0.element.1) }
    let others = all.filter { $0.2.prior == nil }
    let isEmpty = hasPriors && others.allSatisfy { $0.2.run == nil && $0.2.recorded == nil }
    return isEmpty ? [] : others
  }
}
