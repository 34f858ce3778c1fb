import ArgumentParser
import Datasets

/// What to say where a shell expanded a pattern of shards, and an option that takes one word got many.
enum UnquotedShards {
  /// The message; nil where no option is followed by several shards.
  static func message(in arguments: [String], of command: any ParsableCommand.Type) -> String? {
    guard command == TrainCommand.self else { return nil }
    for name in ["--data", "--validation"] {
      guard let place = arguments.firstIndex(of: name) else { continue }
      let words = arguments[(place + 1)...].prefix { !$0.hasPrefix("-") }
      guard words.count > 1, words.allSatisfy(ImageSource.namesShards) else { continue }
      return
        "\(name): expected one path, found \(words.count) shards, since the shell expanded a pattern. "
        + "Put it in single quotes, as in \(name) 'shards/{000..099}.tar', or name the folder."
    }
    return nil
  }
}
