import CPUBackend
import Datasets
import Execution
import Foundation
import Imaging
import Inference
import TokenFiles
import Tokenizers
import Training

/// The device that all commands compute on: the one place that names a backend.
typealias Device = CPUBackend

/// A checkpoint, opened: weights in memory, ready to encode and decode.
struct OpenedTokenizer {
  /// Its folder.
  let folder: String
  /// The run that trained it.
  let run: RunConfiguration
  /// What is in memory of it: all, or what encodes.
  let configuration: TokenizerConfiguration
  /// The weights.
  let parameters: ParameterMemory<Device>
  /// What token files record of it.
  let identity: TokenizerIdentity
  /// The fingerprints of others whose tokens it decodes.
  let kept: [String]
  /// Encodes and decodes.
  let codec: Codec<Device>

  /// Reads a checkpoint's configuration and weights.
  ///
  /// - Parameters:
  ///   - file: which of its weights.
  ///   - use: what is done with it.
  init(
    checkpoint folder: String, weights file: String = Checkpoint.modelFile,
    for use: Use = .decoding,
    threads: Int
  ) throws {
    if folder.hasSuffix("/" + Checkpoint.modelFile) || folder == Checkpoint.modelFile,
      FileManager.default.fileExists(atPath: folder)
    {
      let parent =
        folder == Checkpoint.modelFile
        ? "." : String(folder.dropLast(Checkpoint.modelFile.count + 1))
      throw Failure(
        .usage,
        "--checkpoint \(folder): expected the folder of a run, found the weights in it. Name the "
          + "folder: --checkpoint \(shellQuoted(parent))")
    }
    self.folder = folder
    let checkpoint = Checkpoint(folder: folder)
    run = try checkpoint.readConfiguration()
    if use == .decoding { try Self.requireDecoder(run, folder: folder) }
    if file == Checkpoint.bestFile, !checkpoint.hasBest {
      throw Failure(
        .noInput,
        "\(folder) holds no \(file): training keeps the best weights if monitor.keepBest is psnr or "
          + "ssim. Remove --weights best to use the last ones.")
    }
    var configuration = run.tokenizer
    if use == .encoding { configuration.hasDecoder = false }
    self.configuration = configuration
    let layout = try Self.fittingLayout(of: configuration, folder: folder)
    parameters = ParameterMemory(layout, on: Device())
    let weights = try checkpoint.readModel(
      file, into: parameters, of: Codec<Device>.parameterLayout(run.tokenizer))
    if let name = parameters.firstNonFinite() {
      throw Failure(
        .badData,
        "\(folder)/\(file): the tensor \"\(name)\" holds a number that is not "
          + "finite. The weights are damaged, or training diverged; use another checkpoint.")
    }
    identity = Checkpoint.identity(run.tokenizer, weights)
    kept = try checkpoint.keptTokens(file, run.tokenizer, weights)
    codec = Codec(
      configuration, parameters: parameters, lanes: threads, pool: LanePool(threads: threads))
  }

  /// What a tokenizer is opened for.
  enum Use {
    /// Images are made: an encoder alone is refused.
    case decoding
    /// Images are encoded: the decoder takes no memory.
    case encoding
    /// Whatever is there is handed on.
    case handingOn
  }

  /// Refuses a checkpoint that holds an encoder alone, for what makes images.
  static func requireDecoder(_ run: RunConfiguration, folder: String) throws {
    guard run.origin.parts == .encoder else { return }
    throw Failure(
      .usage,
      "\(folder) holds an encoder alone, imported from \(run.origin.file), which makes tokens and no "
        + "images. encode works; for the rest import a file that has the decoder too.")
  }

  /// Whether it decodes what a tokenizer encodes.
  func decodes(_ other: TokenizerIdentity) -> Bool {
    other.isDecoded(by: identity, keeping: kept)
  }

  /// The tokenizer of an identity among the runs that lie beside a folder; nil where there is none.
  static func find(
    _ identity: TokenizerIdentity, beside folder: String, threads: Int
  ) throws -> OpenedTokenizer? {
    let parent = URL(fileURLWithPath: folder).deletingLastPathComponent().path
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []).sorted()
    for name in names {
      let checkpoint = Checkpoint(folder: parent + "/" + name)
      guard (try? checkpoint.kind()) == .tokenizer,
        let run = try? checkpoint.readConfiguration(),
        run.quantizer.kind == identity.quantizer,
        run.quantizer.codebookSize == identity.codebookSize,
        run.quantizer.depth == identity.depth, run.model.downsampling == identity.downsampling
      else { continue }
      // Of runs alike only the weights tell which one it is.
      for file in [Checkpoint.modelFile, Checkpoint.bestFile] {
        if let opened = try? OpenedTokenizer(
          checkpoint: checkpoint.folder, weights: file, threads: threads),
          opened.identity == identity
        {
          return opened
        }
      }
    }
    return nil
  }

  /// An image as the tokenizer takes it, by the recipe of token files.
  func prepared(_ location: ImageLocation, _ recipe: Recipe) throws -> Image {
    let rules = try ImageRecipe(recorded: recipe, in: folder)
    let preparation = Preparation(
      mode: SizeMode(argument: recipe.size) ?? .model,
      augmentation: run.data.augmentation.withoutChance.following(rules),
      downsampling: identity.downsampling, background: recipe.background ?? run.data.background)
    return try preparation.read(location).image
  }

  /// The layout of the weights, if there is memory for them: a configuration may come from anywhere.
  private static func fittingLayout(
    of tokenizer: TokenizerConfiguration, folder: String
  ) throws -> ParameterLayout {
    let layout = Codec<Device>.parameterLayout(tokenizer)
    var need = MemoryNeed()
    need.addWeights("weights", of: tokenizer, layout: layout, blocks: 1)
    try MemoryLimits().check(need, "\(folder): the tokenizer of \(Checkpoint.configurationFile)")
    return layout
  }
}

/// How many images are handled at a time: enough that lanes seldom wait for each other, few enough
/// that memory is bounded and a stop is heeded soon.
///
/// Small images come by the half megapixel, 512 of 32x32; large ones by the dozen, native sizes
/// differ and lanes share those of one size, up to eight megapixels. One image always passes.
struct PortionLimit: Sendable {
  /// Threads that compute.
  let threads: Int

  private static let imagesPerThread = 8
  private static let pixels = 1 << 19
  private static let mostPixels = 1 << 23
  /// What the smallest image counts, and one that cannot be read.
  private static let leastPixels = 1 << 10

  /// Pixels as they count.
  static func counted(_ pixels: Int) -> Int { max(pixels, leastPixels) }

  /// Whether one more image may join so many of so many counted pixels.
  func admits(_ next: Int, to images: Int, pixels: Int) -> Bool {
    if images == 0 { return true }
    let sum = pixels + next
    return sum <= Self.pixels
      || (images < threads * Self.imagesPerThread && sum <= Self.mostPixels)
  }
}
