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
      ("--part", part != nil, "each process can be given shards of its own"),
      ("--summary", summary != nil, "it counts the codes of token files"),
      ("--force", force, "shards are replaced by removing them first, or continued by --resume"),
    ]
    for (option, isThere, reason) in refused where isThere {
      throw Failure(.usage, "\(option): not with --format webdataset, since \(reason). Remove it.")
    }
  }

  /// Writes the tokens of images as samples.
  func encodeSamples(
    _ inputs: ImageInputs, _ tokenizer: OpenedTokenizer, _ codec: BoundedCodec,
    _ preparation: Preparation, to output: ShardOutput, unnamed: Int, _ terminal: Terminal
  ) throws {
    var files = inputs.files
    for (index, key) in try SampleKeys(files).keys.enumerated() { files[index].name = key }
    let writer: SampleShardWriter
    do {
      writer = try SampleShardWriter(
        stem: output.stem, identity: tokenizer.identity, recipe: preparation.recipe,
        classes: inputs.classes, idType: dtype?.element, shard: shard ?? Self.usualShard,
        resume: resume)
    } catch { throw Failure(writing: error) }
    let finished = writer.finishedKeys
    let all = files.count
    files.removeAll { finished.contains($0.name) }
    if files.count < all {
      terminal.say("\(Display.count(all - files.count, "image")) already encoded")
    }
    let run = EncodingRun(
      codec: codec, preparation: preparation, target: .samples(writer),
      threads: options.threadCount, alsoChecks: [])
    let progress = ItemProgress(terminal, "encoding", total: files.count)
    let outcome = try explainingPieces { try run.encode(files, terminal, progress) }
    terminal.tell(
      transparentCount: outcome.transparent,
      transparency: preparation.rules.transparency(preparation.background))
    let rejected = outcome.rejected + unnamed
    let shards: [String]
    do {
      shards = try explainingPieces { () throws(TokenFileError) in try writer.finish() }
    } catch  where outcome.rejected == inputs.fileCount {
      throw Failure(
        .badData,
        "nothing was written: \(Display.count(rejected, "file")) skipped, for the reasons above")
    }
    let place = shards.count == 1 ? shards[0] : "\(shards[0]) to \(shards[shards.count - 1])"
    let sizes = outcome.sizes(preparation)
    terminal.result(
      "\(place): \(Display.count(files.count - outcome.rejected, "image")), "
        + "\(Display.count(writer.tokenCount, "token")) in \(Display.count(shards.count, "shard")); "
        + progress.rate + (sizes.map { "; " + $0 } ?? ""))
    try tellRejected(rejected, of: inputs.fileCount + unnamed, place)
  }
}
