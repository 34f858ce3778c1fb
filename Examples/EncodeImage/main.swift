import Foundation
import Tessera

// Turns an image into tokens, and the tokens into an image again.
let arguments = CommandLine.arguments.dropFirst()
guard arguments.count == 3 else {
  print("usage: EncodeImage CHECKPOINT IMAGE DECODED.png")
  exit(64)
}
let (checkpoint, file, decoded) = (arguments[1], arguments[2], arguments[3])

do {
  let tokenizer = try Tokenizer(checkpoint: checkpoint)
  let image = try Image(contentsOf: file)
  let tokens = try tokenizer.encode(image)
  print(
    "\(image.width)x\(image.height) pixels became \(tokens.rows)x\(tokens.columns) tokens",
    "of \(tokenizer.codebookSize) codes, such as \(tokens.ids.prefix(5))")
  try tokenizer.decode(tokens).write(to: decoded)
} catch {
  FileHandle.standardError.write(Data("error: \(error)\n".utf8))
  exit(1)
}
