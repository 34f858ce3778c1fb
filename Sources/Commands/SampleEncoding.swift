import Datasets
import Formatting
import Foundation
import Imaging
import Inference
import TokenFiles

/// `encode --format webdataset`.
extension EncodeCommand {
  /// Samples of a shard where `--shard` does not say.
  static let usualShard = 10_000

  /// Refuses options that shards of samples have no use for.
  func checkSampleOptions() throws {
    let refused: [(option: String, isThere: Bool, reason: String)] = [
      ("--prior", prior != nil, "a prior writes a file of its own"),
      ("--verify", verify, "decode reads token files"),
      ("--force", force, "shards are replaced by removing them first, or continued by --resume"),
    ]
    for (option, isThere, reason) in refused where isThere {
      throw Failure(.usage, "\(option): not with --format webdataset, since \(reason). Remove it.")
    }
  }

  /// Writes the tokens of images, which are named by their keys, as samples.
  func encodeSamples(
    _ inputs: ImageInputs, _ tokenizer: OpenedTokenizer, _ codec: BoundedCodec,
    _ preparation: Preparation, to output: ShardOutput, part: EncodedPart?, unnamed: Int,
    _ terminal: Terminal
  ) throws {
    let writer: SampleShardWriter
    do {
      writer = try SampleShardWriter(
        stem: output.stem, identity: tokenizer.identity, recipe: preparation.recipe,
        classes: inputs.classes, idType: dtype?.element, part: part,
        shard: shard ?? Self.usualShard, resume: resume)
    } catch { throw Failure(writing: error) }
    let run = EncodingRun(
      codec: codec, preparation: preparation, target: .samples(writer),
      threads: options.threadCount, alsoChecks: [])
    let files = inputs.files.without(writer.finishedKeys)
    try encode(files, of: inputs, run, part: part, unnamed: unnamed, terminal) { outcome in
      .samples(try writer.finish(rejected: outcome.rejections), by: writer)
    }
  }
}
