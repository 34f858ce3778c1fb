import Foundation

/// A verdict on a run's codebook, with its reasons in words.
///
/// Two kinds of collapse are distinguished (Zhao and others, 2411.16550). In *codebook collapse*
/// few codes are used, though the vectors that are quantized differ: the codebook is at fault,
/// often its first values. In *embedding collapse* the vectors or the codes themselves come to one
/// place or one line: the encoder is at fault, and no codebook can repair it. A run that is
/// *under-trained* should be trained on before its quantizer is judged.
///
/// The rules, in this order; the first that holds gives the verdict, all that hold give reasons:
///
/// 1. Embedding collapse: the vectors before quantization deviate from their mean by less than
///    ``Threshold/relativeSpread`` of their length (VQ) or ``Threshold/levelShare`` of a level (FSQ);
///    or their effective rank is near 1.
/// 2. Codebook collapse: one code; or fewer than ``Threshold/usage`` (``Threshold/usageInTraining``
///    where rule 4 holds too) of the codes that a uniform code
///    would show with as many ids; or a perplexity below ``Threshold/perplexity`` of the used codes, or
///    below ``leastPerplexity(codes:)``;
///    or one below that same share of a Zipf law's, where codes leave more than
///    ``Threshold/unexplained`` of the vectors' variance. Where tokens have several ids, the first of
///    these are asked of each depth too: another depth's codes do not make up for one that collapsed.
/// 3. Posterior collapse, where nothing is quantized: more than ``LatentUse/Threshold/dead`` of the
///    channels carry less than ``LatentUse/Threshold/nats``. Otherwise embedding collapse: tokens differ, but the used codes lie together.
/// 4. Under-trained: fewer than ``Threshold/steps`` steps; or less than ``Threshold/partOfRun`` of those
///    planned; or a PSNR below that of each image's mean colour; or more than ``Threshold/gain`` dB gained over the second half of the run.
/// 5. Healthy otherwise.
public struct CodebookHealth: Sendable, Equatable {
  /// The verdict.
  public enum Verdict: String, Sendable, CaseIterable {
    /// Nothing was found.
    case healthy
    /// Few codes are used.
    case tokenCollapse = "codebook collapse"
    /// The vectors or the codes concentrate.
    case embeddingCollapse = "embedding collapse"
    /// Most channels of latents that are distributions tell nothing of an image.
    case posteriorCollapse = "posterior collapse"
    /// Training has not come far enough to judge.
    case underTrained = "still improving"
  }

  /// A rule that holds.
  public struct Finding: Sendable, Equatable {
    /// The verdict that the rule speaks for.
    public let verdict: Verdict
    /// Why, with its numbers.
    public let reason: String
  }

  /// The limits of the rules, and the argument for each.
  public enum Threshold {
    /// Used codes relative to the expectation of uniform sampling: 0.25.
    ///
    /// Codes of images are not uniform. But even a Zipf law, the most uneven use that is still called
    /// natural, shows 0.4 or more of uniform usage, for every `n` and every `K` up to
    /// 65536 (the least is near `n = K`). A quarter is well outside.
    public static let usage = 0.25
    /// The same, for a run that is under-trained by rule 4: 0.1.
    ///
    /// Codes come into use while the reconstruction still gets better fast: it is too early to call
    /// that a collapse, unless less than a tenth is there. Codebooks that start at the encoder's
    /// outputs and collapse fall below it within the first hundred steps.
    public static let usageInTraining = 0.1
    /// Perplexity against used codes: 0.05.
    ///
    /// A Zipf law over `K` codes has 0.18 of them as perplexity for `K` = 1024 and 0.06 for 16384. Below
    /// 0.05 a handful of codes carries nearly everything, the rest are strays.
    public static let perplexity = 0.05
    /// The quantization error against the vectors' variance from which on perplexity counts as used codes
    /// do, against a Zipf law's: 0.25.
    ///
    /// A small perplexity alone has innocent causes, such as pictures with one background, which codes
    /// then stand for well. Where they do not, and a handful carries the tokens, other codes are missing,
    /// even if strays are in use. Healthy codebooks leave less: 64 codes of 8 numbers, straight-through
    /// on CIFAR-10, a tenth.
    public static let unexplained = 0.25
    /// A perplexity that is too small for any codebook: 2, one bit an id, where four or more could be
    /// said; of smaller codebooks see ``CodebookHealth/leastPerplexity(codes:)``.
    public static let leastPerplexity = 2.0
    /// The part of the bits that an id could say, below which they are too few: a quarter.
    public static let bits = 0.25
    /// Ids below which their use says nothing: 100.
    ///
    /// A few smooth images may well be made of a few codes.
    public static let ids = 100
    /// Deviation of vectors from their mean, in lengths: 0.05.
    ///
    /// 1 for vectors about the origin, 0.7 for as much offset as spread. At 0.05, 99.75 % of the squared
    /// length is the same in all vectors. It does not change with the vectors' scale, which the
    /// convolutions on both sides are free to choose.
    public static let relativeSpread = 0.05
    /// Deviation of each FSQ channel, in widths of a level: 0.25.
    ///
    /// The levels are where they are, so here the scale counts: with a normal latent in the middle of a
    /// level 95 % of the tokens are on that one level, in every channel.
    public static let levelShare = 0.25
    /// Tokens at the two end levels of a channel that has four levels or more: 0.8.
    ///
    /// Uniform use gives 0.5 at most. Beyond 0.8 the bound is saturated: the channel is a switch, and
    /// its gradient is nearly zero.
    public static let endShare = 0.8
    /// Steps below which nothing can be said: 100.
    ///
    /// Adam's second moment, at the customary 0.99 to 0.999, still remembers its start.
    public static let steps = 100
    /// Steps made against steps planned: 0.9.
    ///
    /// The run was stopped, or is still running; the last tenth rarely changes a verdict.
    public static let partOfRun = 0.9
    /// dB gained over the second half of the run: 1.
    ///
    /// Error falls about as a power of the steps, so that another doubling gains about as much again.
    /// 1 dB is a fifth of the squared error, more than quantizers differ by: a comparison would compare
    /// how long the runs were trained.
    public static let gain = 1.0

    /// Effective rank below which vectors of so many channels lie on a line.
    ///
    /// 1.2 is all but a twentieth of the variance in one direction. Brightness alone makes for some
    /// four fifths of the variance of image patches, a rank near 2, and is no collapse. Two channels
    /// have less to lose: 1.1, all but a fiftieth.
    public static func rank(channels: Int) -> Double {
      channels > 2 ? 1.2 : 1.1
    }
  }

  /// The perplexity below which a codebook has collapsed, however its codes are counted: a quarter of the
  /// bits that an id could say, `K^(1/4)`, but at most one bit, 2.
  ///
  /// 2 from 16 codes on; 1.68 for eight, 1.41 for four, 1.19 for two, where one code in 24 ids is
  /// another.
  public static func leastPerplexity(codes: Int) -> Double {
    min(Threshold.leastPerplexity, pow(Double(codes), Threshold.bits))
  }

  /// The perplexity of a Zipf law over some codes, the most uneven use that is still called natural: code
  /// i in proportion to 1 / i.
  ///
  /// - Parameter codes: as many as uniform sampling would show.
  public static func zipfPerplexity(codes: Double) -> Double {
    let codes = max(2, codes)
    // Sums of 1 / i and of ln(i) / i, by the first terms of their expansions.
    let logarithm = log(codes)
    let harmonic = logarithm + 0.5772 + 0.5 / codes
    let weighted = logarithm * logarithm / 2 - 0.0728 + 0.5 * logarithm / codes
    return harmonic * exp(weighted / harmonic)
  }

  /// The greatest perplexity that a rule calls a collapse: what ``CollapseOnset`` watches for.
  ///
  /// - Parameters:
  ///   - codes: the size of the codebook.
  ///   - uniform: codes that uniform sampling would show.
  ///   - used: codes that are used.
  public static func collapsedPerplexity(codes: Int, uniform: Double, used: Double) -> Double {
    max(leastPerplexity(codes: codes), Threshold.usage * zipfPerplexity(codes: uniform))
  }

  /// The rules that hold, the gravest first; empty if all is well.
  public let findings: [Finding]
  /// Remarks: unused levels, too few tokens.
  public let remarks: [String]

  /// The gravest finding's verdict.
  public var verdict: Verdict { findings.first?.verdict ?? .healthy }

  /// Judges.
  public init(judging evidence: HealthEvidence) {
    let concentration = evidence.concentrationOfVectors
    let tokens = evidence.tokenCollapse
    var findings = evidence.posteriorCollapse.map {
      Finding(verdict: .posteriorCollapse, reason: $0)
    }
    findings += concentration.map { Finding(verdict: .embeddingCollapse, reason: $0) }
    findings += tokens.map { Finding(verdict: .tokenCollapse, reason: $0) }
    // One code has no spread, and few have little: that is the tokens' fault, not the codes'.
    if tokens.isEmpty {
      findings += evidence.concentrationOfCodes.map {
        Finding(verdict: .embeddingCollapse, reason: $0)
      }
    }
    findings += evidence.lackOfTraining.map { Finding(verdict: .underTrained, reason: $0) }
    self.findings = findings
    remarks = evidence.remarks
  }

  /// The verdict and everything that speaks for it, as text of one paragraph.
  public var words: String {
    var sentences = findings.isEmpty ? ["codes, vectors and training show nothing amiss"] : []
    var last = verdict
    for finding in findings {
      sentences.append(
        finding.verdict == last
          ? finding.reason : "also \(finding.verdict.rawValue): \(finding.reason)")
      last = finding.verdict
    }
    return verdict.rawValue + ": " + (sentences + remarks).joined(separator: "; ")
  }
}
