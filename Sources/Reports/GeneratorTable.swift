import Formatting
import Tokenizers

/// What draws images: priors over tokens and continuous ones, in one table.
extension Comparison {
  /// A run that draws images.
  struct Generator {
    /// Its place among the runs.
    let index: Int
    /// What it reads, in words.
    let reads: String
    /// Bits of a held-out image to a pixel; nil of a diffusion head, which has no density.
    let bitsPerPixel: Double?
    /// What was measured of what it draws.
    let quality: QualityRecord?
  }

  /// The runs that draw images, if there is a continuous one or something was measured.
  var generators: [Generator] {
    let all = entries.enumerated().compactMap { index, entry -> Generator? in
      if let prior = entry.prior {
        let tokens = prior.tokens
        return Generator(
          index: index, reads: "\(tokens.rows)x\(tokens.columns) \(tokens.quantizer) tokens",
          bitsPerPixel: prior.bitsPerPixel, quality: prior.quality)
      }
      guard let run = entry.recorded, run.quantizer.drawsVectors else { return nil }
      return Generator(
        index: index, reads: run.quantizer.shape,
        bitsPerPixel: run.evaluation["bitsPerPixel"], quality: run.quality)
    }
    let isOfUse = all.contains { entries[$0.index].prior == nil }
    return isOfUse ? all : []
  }

  /// Discrete and continuous runs in one table: bits where they exist, quality, cost.
  public var generatorTable: TextTable {
    let names = names
    let quality = generators.contains { $0.quality != nil } ? QualityRecord.columns : []
    var table = TextTable(
      [.init("generator", isText: true), .init("reads", isText: true), .init("bits/pixel")]
        + quality.map { .init($0.title) } + [.init("evaluations/image"), .init("images/s")])
    for generator in generators {
      let sampling = generator.quality?.sampling
      table.add(
        [
          names[generator.index], generator.reads,
          NumberText.decimals(generator.bitsPerPixel, 3),
        ] + quality.map { $0.cell(generator.quality) } + [
          sampling.map {
            Display.count($0.transformerSteps)
              + ($0.headEvaluations > 0 ? " + \(Display.count($0.headEvaluations))" : "")
          } ?? "-",
          NumberText.decimals(sampling?.imagesPerSecond, 1),
        ])
    }
    return table
  }

  /// What the columns mean, by keyword; empty without generators.
  var generatorStatements: [(key: String, words: String)] {
    guard !generators.isEmpty else { return [] }
    return [
      (
        "draws",
        "bits/pixel: of tokens their code length, of a gaussian head its density at the 8-bit values; "
          + "tokens tell of a rounded image, so the two are no contest, and a diffusion head has none. "
          + "evaluations/image: steps of the transformer, and of the head. Quality and images/s: as "
          + "tessera quality --record found the folder that tessera sample wrote."
      )
    ]
  }
}
