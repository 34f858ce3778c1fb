import Files
import Safetensors

/// Errors in a token file, or in what is to be written into one.
public enum TokenFileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A file cannot be read or written at all.
  case file(FileError)
  /// The file is no valid safetensors file.
  case safetensors(SafetensorsError)
  /// The file holds something else than tokens.
  case notTokens(path: String, reason: String)
  /// The file follows a version of the format that this program does not know.
  case version(path: String, found: Int)
  /// An entry of the metadata is missing or makes no sense.
  case metadata(path: String, key: String, reason: String)
  /// The arrays in the file contradict each other.
  case layout(path: String, reason: String)
  /// The JSON file beside the array is missing.
  case missingSidecar(path: String, sidecar: String)
  /// A token is not below the codebook's size.
  case idOutOfRange(
    path: String, image: Int, imagePath: String, position: Int, id: Int, codebookSize: Int)
  /// The ids are not those that were written.
  case checksum(path: String, expected: String, found: String)
  /// One of several shards is not there.
  case missingPiece(path: String, reason: String)
  /// Shards that do not belong together.
  case mixedPieces(path: String, other: String, reason: String)
  /// The tokens were made by another tokenizer than the one that is to decode them.
  case foreignTokenizer(path: String, tokens: TokenizerIdentity, tokenizer: TokenizerIdentity)
  /// An image's record cannot be written.
  case record(imagePath: String, reason: String)
  /// There is not one image to write.
  case empty(path: String)
  /// The new ids have taken their place, but their JSON file has not; decoding finds it all the same.
  case halfReplaced(path: String, sidecar: String, partial: String, reason: String)
  /// The output cannot be named so.
  case output(path: String, reason: String)

  /// The file, what was expected, what was found, the way out.
  public var description: String {
    switch self {
    case .file(let error):
      return error.description
    case .safetensors(let error):
      return error.description
    case .notTokens(let path, let reason):
      return "\(path) holds no tokens: \(reason). Name a file that encode wrote, or integers "
        + "[N, h, w] below the codebook size, as tensor \"tokens\" of a safetensors file or in .npy."
    case .version(let path, let found):
      return "\(path) follows version \(found) of the token format; this program knows version "
        + "\(TokenFile.formatVersion). Use a newer program, or encode the images again."
    case .metadata(let path, let key, let reason):
      return
        "\(path): metadata \"\(key)\": \(reason). Correct the program that wrote it; or encode "
        + "the images again."
    case .layout(let path, let reason):
      return "\(path) contradicts itself: \(reason). Correct the program that wrote it; or copy it "
        + "or encode the images again."
    case .missingSidecar(let path, let sidecar):
      return "\(path) comes without \(sidecar), which describes its ids. "
        + "Copy both files; if there is none, encoding was interrupted: run it again. Ids of another "
        + "program need none in .npy and .safetensors files."
    case .idOutOfRange(let path, let image, let imagePath, let position, let id, let size):
      return "\(path): token \(position) of image \(image) (\(imagePath)) is \(id), but the "
        + "codebook has \(size) codes, 0 to \(size - 1). The file is damaged, or a program wrote "
        + "ids of its own, such as a padding or end token, which must be removed first."
    case .checksum(let path, let expected, let found):
      return "\(path): its ids have the checksum \(found), expected \(expected). The file is "
        + "damaged, or it belongs to another JSON file: copy it again. If another program wrote "
        + "the ids, remove \"checksum\", \"xxh64\", \"paths\" and \"sizes\", or everything but the ids: an "
        + "array alone is decoded too."
    case .missingPiece(let path, let reason):
      return "\(path): \(reason). Copy the missing shard or resume encoding; "
        + "to use only the shards that exist, name each of them."
    case .mixedPieces(let path, let other, let reason):
      return "\(path) and \(other) do not belong together: \(reason). Use files of one run."
    case .foreignTokenizer(let path, let tokens, let tokenizer):
      return "\(path) was written by another tokenizer (\(tokens.summary)) than the one that is "
        + "to read it (\(tokenizer.summary)). Tokens are meaningful only to their own tokenizer: "
        + "name the checkpoint that encoded them, or encode the images again with this one."
    case .record(let imagePath, let reason):
      return "cannot write the tokens of \(imagePath): \(reason)."
    case .empty(let path):
      return "cannot write \(path): there is no image in it. Name at least one image."
    case .halfReplaced(let path, let sidecar, let partial, let reason):
      return
        "\(path) has the new ids, but \(sidecar) could not be replaced: \(reason). Their description "
        + "is in \(partial), where decode finds it: rename it to \(sidecar), or run again."
    case .output(let path, let reason):
      return "cannot write tokens to \(path): \(reason)."
    }
  }
}
