import CPUBackend
import Execution
import Foundation
import Inference
import Tokenizers
import TokenFiles
import Training

/// The device that all commands compute on: the one place that names a backend.
typealias Device = CPUBackend

/// A checkpoint, opened: weights in memory, ready to encode and decode.
struct OpenedTokenizer {
  /// The run that trained it.
  let run: RunConfiguration
  /// The weights.
  let parameters: ParameterMemory<Device>
  /// What token files record of it.
  let identity: TokenizerIdentity
  /// Encodes and decodes.
  let codec: Codec<Device>

  /// Reads a checkpoint's configuration and weights.
  ///
  /// - Parameter file: which of its weights.
  init(
    checkpoint folder: String, weights file: String = Checkpoint.modelFile, threads: Int
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
    let checkpoint = Checkpoint(folder: folder)
    run = try checkpoint.readConfiguration()
    if file == Checkpoint.bestFile, !checkpoint.hasBest {
      throw Failure(
        .noInput,
        "\(folder) holds no \(file): training keeps the best weights if monitor.keepBest is psnr or "
          + "ssim. Remove --weights best to use the last ones.")
    }
    let layout = try Self.fittingLayout(of: run, folder: folder)
    parameters = ParameterMemory(layout, on: Device())
    let weights = try checkpoint.readModel(file, into: parameters)
    if let name = parameters.firstNonFinite() {
      throw Failure(
        .badData,
        "\(folder)/\(file): the tensor \"\(name)\" holds a number that is not "
          + "finite. The weights are damaged, or training diverged; use another checkpoint.")
    }
    identity = Checkpoint.identity(run.tokenizer, weights)
    codec = Codec(
      run.tokenizer, parameters: parameters, lanes: threads, pool: LanePool(threads: threads))
  }

  /// The layout of the weights, if there is memory for them: a configuration may come from anywhere.
  private static func fittingLayout(
    of run: RunConfiguration, folder: String
  ) throws -> ParameterLayout {
    let layout = Codec<Device>.parameterLayout(run.tokenizer)
    var need = MemoryNeed()
    need.addWeights("weights", of: run.tokenizer, layout: layout, blocks: 1)
    try MemoryLimits().check(need, "\(folder): the tokenizer of \(Checkpoint.configurationFile)")
    return layout
  }
}
