import Charts
import Files
import Configuration
import Diagnostics
import Evaluation
import Tokenizers

extension Comparison {
  /// The comparison as JSON.
  ///
  ///     format            "tessera comparison"
  ///     version           2
  ///     protocol          null where no run could be evaluated, else
  ///       folder            the images' folder
  ///       selection         which of them, in words
  ///       available         how many there are
  ///       preparation       how they became squares, in words
  ///       images            how many
  ///       imageSizes        sides in pixels, each once
  ///       definitions       keyword: what the numbers mean, in words
  ///     runs              one object a run, in the order asked for
  ///       checkpoint        its folder
  ///       error             null, or why it could not be evaluated; then nothing follows, or what
  ///                         its log tells: quantizer, steps, parameters, recorded
  ///       recorded          {step, ...} the log's last evaluation
  ///       quality           of a continuous prior what was measured of images that it drew, see
  ///                         ``QualityRecord``; only where that is known
  ///       verdict           "healthy", "codebook collapse", "embedding collapse", "posterior collapse",
  ///                         "still improving" or "too early to judge"
  ///       findings          [{verdict, reason}], the gravest first
  ///       remarks           what else should be known
  ///       next              what to do, in words with a command
  ///       collapse          null, or {diagnostic, step}: since when by the log
  ///       onsets            [{diagnostic, step}] of all that stay beyond their limits, the first first
  ///       quantizer         {type, ...} and what belongs to the type: levels, bound, codebookSize,
  ///                         codeDimension, gradient, bits, depth
  ///       imageSize         side in pixels
  ///       images            how many it was evaluated on
  ///       imagesTrainedOn   how many of those it was trained on; null where that is not known
  ///       codes             K
  ///       bitsPerToken, bitsPerPixel
  ///       psnr, ssim        PSNR in dB, null where nothing differs
  ///       baselinePSNR      PSNR in dB of each image's mean colour
  ///       usedCodes, deadCodes, usage, expectedUniformUsage, tokens, ids, perplexity
  ///       entropyPerToken   bits that a token carries, log2 of the perplexity, over all its indices
  ///       quantizationError mean over tokens of |z - q|^2
  ///       latents           {length, deviation, variances, effectiveRank}
  ///       codebook          of VQ: {length, deviation, variances, effectiveRank}
  ///       usedCodebook      of VQ: the same of the used codes
  ///       levelCounts       of FSQ: tokens on each level, a list a channel
  ///       usedCodesByDepth, perplexityByDepth    of tokens with several indices, whose pooled
  ///                         usage the numbers above are
  ///       latentRank, kl, klByChannel, deviationByChannel, deadChannels    where nothing is quantized, in
  ///                         place of codes to entropyPerToken and quantizationError: effective rank; nats
  ///                         an image, and of each channel a latent vector, null for `none`; standard
  ///                         deviations; a list of channels
  ///       parameters, steps
  ///       fingerprint       hash of weights and configuration, by which priors name the tokenizer
  ///       spectra           [{layer, shape, unfolding, fullRank, stableRank, entropyRank,
  ///                         singularValues, energy}] of each convolution and linear map, see
  ///                         ``LayerSpectrum``: shape is that of the weight, [outputs, inputs,
  ///                         height, width]; unfolding "output" or "input"; energy is {"0.99",
  ///                         "0.95"} of {rank, factors}, factors {rank, first, multiplyAdds,
  ///                         weights, pay} with first "3x3" or "1x1" and multiplyAdds a fraction
  ///                         of the layer's; also where a run could not be evaluated, after recorded
  ///       trainingImagesPerSecond    null without a log
  ///       evaluationImagesPerSecond
  ///
  /// A run that is a prior has `checkpoint`, `error` and
  ///
  ///     kind              "prior"
  ///     fingerprint       that of the tokenizer whose tokens it has learned
  ///     grid, classes     rows and columns of an image's tokens; classes of the images
  ///     step              of the last evaluation in its log; then its numbers:
  ///     heldOutImages, bitsPerToken, bitsPerImage, bitsPerPixel
  ///     budgetBits, marginalBits, bigramBits    bits/token without a prior
  ///     seed, trainingImages, parameters, steps, trainingImagesPerSecond
  ///     quality           what was measured of images that it drew, see ``QualityRecord``; only where
  ///                       that is known
  ///
  /// Where there are priors, `runs` is followed by
  ///
  ///     pairs             [{tokenizer, prior, fingerprint, tokenizerSeed, priorSeed, psnr, ssim,
  ///                       budgetBitsPerPixel, bitsPerPixel, saved}], runs by their folders; saved is
  ///                       a fraction of the budget
  ///     seeds             [{priors, bitsPerToken, bitsPerPixel, saved, psnr}] of priors that differ in
  ///                       seeds alone: {mean, halfRange} each
  ///     notes             what should be known before they are compared, in words
  public var json: String {
    var object = JSONObject([
      "format": .string("tessera comparison"), "version": .integer(2),
      "protocol": evaluationProtocol.map { .object(Self.object($0)) } ?? .null,
      "runs": .array(entries.map { .object(Self.object($0)) }),
    ])
    if hasPriors {
      object["pairs"] = .array(pairs.map { .object(self.object($0)) })
      object["seeds"] = .array(priorSeeds.map { .object(self.object($0)) })
      object["notes"] = .array(priorNotes.map(JSONValue.string))
    }
    return JSONValue.object(object).prettyText + "\n"
  }

  private func object(_ pair: TokenizerPriorPair) -> JSONObject {
    JSONObject([
      "tokenizer": .string(entries[pair.tokenizer].checkpoint),
      "prior": .string(entries[pair.prior].checkpoint),
      "fingerprint": .string(pair.run.tokens.fingerprint),
      "tokenizerSeed": Self.seed(pair.seeds.tokenizer), "priorSeed": Self.seed(pair.seeds.prior),
      "psnr": Self.number(pair.psnr), "ssim": Self.number(pair.ssim),
      "budgetBitsPerPixel": Self.number(pair.run.budgetPerPixel),
      "bitsPerPixel": Self.number(pair.run.bitsPerPixel), "saved": Self.number(pair.run.saved),
    ])
  }

  private func object(_ group: PriorSeeds) -> JSONObject {
    func spread(_ spread: PriorSeeds.Spread) -> JSONValue {
      .object(
        JSONObject(["mean": Self.number(spread.mean), "halfRange": Self.number(spread.half)]))
    }
    return JSONObject([
      "priors": .array(group.priors.map { .string(entries[$0].checkpoint) }),
      "bitsPerToken": spread(group.bitsPerToken), "bitsPerPixel": spread(group.bitsPerPixel),
      "saved": spread(group.saved), "psnr": group.psnr.map(spread) ?? .null,
    ])
  }

  private static func seed(_ text: String?) -> JSONValue {
    text.flatMap { Int($0) }.map(JSONValue.integer) ?? .null
  }

  private static func object(_ run: PriorRun, _ entry: Entry) -> JSONObject {
    var object = JSONObject([
      "checkpoint": .string(entry.checkpoint), "error": .null, "kind": .string("prior"),
      "fingerprint": .string(run.tokens.fingerprint),
      "grid": .array([.integer(run.tokens.rows), .integer(run.tokens.columns)]),
      "classes": .integer(run.tokens.classes), "step": .integer(run.evaluationStep),
      "heldOutImages": .integer(run.images), "bitsPerToken": number(run.bitsPerToken),
      "bitsPerImage": number(run.bitsPerImage), "bitsPerPixel": number(run.bitsPerPixel),
      "budgetBits": number(run.budget), "marginalBits": number(run.marginal),
      "bigramBits": number(run.bigram), "seed": seed(entry.setting("training.seed")),
      "trainingImages": run.trainingImages.map(JSONValue.integer) ?? .null,
      "parameters": .integer(run.parameters), "steps": .integer(run.steps),
      "trainingImagesPerSecond": number(run.trainingRate),
    ])
    object["quality"] = run.quality.map { .object($0.object) }
    return object
  }

  private static func object(_ evaluation: EvaluationProtocol) -> JSONObject {
    var definitions = JSONObject()
    for (key, words) in evaluation.statements { definitions[key] = .string(words) }
    return JSONObject([
      "folder": .string(evaluation.folder), "selection": .string(evaluation.selection),
      "preparation": .string(evaluation.preparation), "images": .integer(evaluation.images),
      "available": .integer(evaluation.total),
      "imageSizes": .array(evaluation.sizes.map(JSONValue.integer)),
      "definitions": .object(definitions),
    ])
  }

  private static func object(_ entry: Entry) -> JSONObject {
    switch entry.outcome {
    case .failed(let reason):
      JSONObject(["checkpoint": .string(entry.checkpoint), "error": .string(reason)])
    case .recorded(let run): object(run, checkpoint: entry.checkpoint)
    case .evaluated(let run): object(run, entry)
    case .prior(let run): object(run, entry)
    }
  }

  private static func object(_ run: RecordedRun, checkpoint: String) -> JSONObject {
    var recorded = JSONObject()
    if let step = run.evaluationStep { recorded["step"] = .integer(step) }
    for (key, value) in run.evaluation.sorted(by: { $0.key < $1.key }) {
      recorded[key] = number(value)
    }
    var whole = JSONObject([
      "checkpoint": .string(checkpoint), "error": .string("no images to evaluate on"),
      "quantizer": .object(object(run.quantizer)), "steps": .integer(run.steps),
      "parameters": run.parameters.map(JSONValue.integer) ?? .null,
      "recorded": .object(recorded),
    ])
    whole["quality"] = run.quality.map { .object($0.object) }
    whole["spectra"] = spectra(run.spectra)
    return whole
  }

  private static func object(_ run: EvaluatedRun, _ entry: Entry) -> JSONObject {
    var object = JSONObject([
      "checkpoint": .string(entry.checkpoint), "error": .null,
      "verdict": .string(run.verdict),
      "findings": .array(
        run.health.findings.map {
          .object(
            JSONObject([
              "verdict": .string($0.verdict.rawValue), "reason": .string($0.reason),
            ]))
        }),
      "remarks": .array(run.health.remarks.map(JSONValue.string)),
      "next": .string(Judgement(entry, folder: entry.checkpoint).next),
      "collapse": run.onset?.collapse.map { .object(Self.object($0)) } ?? .null,
      "onsets": .array((run.onset?.onsets ?? []).map { .object(Self.object($0)) }),
      "quantizer": .object(Self.object(run.quantizer)), "imageSize": .integer(run.imageSize),
      "images": .integer(run.images),
      "imagesTrainedOn": run.imagesTrainedOn.map(JSONValue.integer) ?? .null,
    ])
    if !run.isContinuous {
      object["codes"] = .integer(run.usage.codes)
      object["bitsPerToken"] = number(run.bitsPerToken)
      object["bitsPerPixel"] = number(run.bitsPerPixel)
    }
    object["psnr"] = number(run.psnr)
    object["ssim"] = number(run.ssim)
    object["baselinePSNR"] = number(run.evidence.baselinePSNR)
    if let use = run.latentUse {
      object["latentRank"] = number(run.evidence.latents.effectiveRank)
      object["kl"] = number(use.kl)
      object["klByChannel"] = use.klByChannel.map { .array($0.map(number)) } ?? .null
      object["deviationByChannel"] = .array(use.deviations.map(number))
      object["deadChannels"] = .array(use.deadChannels.map(JSONValue.integer))
    } else {
      object["usedCodes"] = .integer(run.usage.used)
      object["deadCodes"] = .integer(run.usage.deadCodes)
      object["usage"] = number(run.usage.usage)
      object["expectedUniformUsage"] = number(run.usage.expectedUniformUsage)
      object["tokens"] = .integer(run.tokens)
      object["ids"] = .integer(run.usage.ids)
      object["perplexity"] = number(run.usage.perplexity)
      object["entropyPerToken"] = number(run.entropyPerToken)
      object["quantizationError"] = number(run.quantizationError)
    }
    object["latents"] = .object(Self.object(run.evidence.latents))
    switch run.evidence.bottleneck {
    case .vector(let codebook, let usedCodes):
      object["codebook"] = .object(Self.object(codebook))
      object["usedCodebook"] = .object(Self.object(usedCodes))
    case .finiteScalar(let levels, _):
      object["levelCounts"] = .array(levels.counts.map { .array($0.map(JSONValue.integer)) })
    case .continuous: break
    }
    if !run.usageByDepth.isEmpty {
      object["usedCodesByDepth"] = .array(run.usageByDepth.map { .integer($0.used) })
      object["perplexityByDepth"] = .array(run.usageByDepth.map { number($0.perplexity) })
    }
    object["parameters"] = .integer(run.parameters)
    object["steps"] = .integer(run.steps)
    if let fingerprint = run.fingerprint { object["fingerprint"] = .string(fingerprint) }
    object["spectra"] = spectra(run.spectra)
    object["trainingImagesPerSecond"] = number(run.trainingRate)
    object["evaluationImagesPerSecond"] = number(run.evaluationRate)
    return object
  }

  /// The layers' singular values, with five significant digits; nil where there are none.
  private static func spectra(_ layers: [LayerSpectrum]) -> JSONValue? {
    guard !layers.isEmpty else { return nil }
    func rounded(_ value: Double) -> JSONValue {
      number(Double(Markup.jsonNumber(value, digits: 5)))
    }
    return .array(
      layers.map { layer in
        var energy = JSONObject()
        for share in [0.99, 0.95] {
          let factors = layer.factors(keeping: share)
          energy[String(share)] = .object(
            JSONObject([
              "rank": .integer(layer.rank(keeping: share)),
              "factors": .object(
                JSONObject([
                  "rank": .integer(factors.rank), "first": .string(factors.first),
                  "multiplyAdds": rounded(factors.multiplyAdds),
                  "weights": .integer(factors.weights), "pay": .flag(factors.pay),
                ])),
            ]))
        }
        let shape = layer.shape
        return .object(
          JSONObject([
            "layer": .string(layer.name),
            "shape": .array(
              [shape.outputs, shape.inputs, shape.height, shape.width].map(JSONValue.integer)),
            "unfolding": .string(layer.unfolding.rawValue), "fullRank": .integer(layer.fullRank),
            "stableRank": rounded(layer.stableRank), "entropyRank": rounded(layer.entropyRank),
            "singularValues": .array(layer.values.map(rounded)), "energy": .object(energy),
          ]))
      })
  }

  private static func object(_ onset: CollapseOnset.Onset) -> JSONObject {
    JSONObject([
      "diagnostic": .string(onset.diagnostic.rawValue), "step": .integer(onset.step),
    ])
  }

  private static func object(_ quantizer: QuantizerPresentation) -> JSONObject {
    var object = JSONObject(["type": .string(quantizer.kind)])
    for fact in quantizer.facts.members { object[fact.key] = fact.value }
    return object
  }

  private static func object(_ spread: VectorSpread) -> JSONObject {
    JSONObject([
      "length": number(spread.length), "deviation": number(spread.deviation),
      "variances": .array(spread.variances.map(number)),
      "effectiveRank": spread.effectiveRank.map(number) ?? .null,
    ])
  }

  /// JSON has no infinity: null stands for it, and for what is not known.
  private static func number(_ value: Double?) -> JSONValue {
    value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null
  }
}
