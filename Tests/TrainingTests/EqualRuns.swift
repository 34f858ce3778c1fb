import Foundation
import Safetensors
import Testing
import Training

/// Everything that must not depend on stops: tensors, the step, the journal, the samples.
func expectEqualRuns(_ a: String, _ b: String) throws {
  for file in [Checkpoint.stateFile, Checkpoint.modelFile] {
    let (first, second) = (try tensors(a + "/" + file), try tensors(b + "/" + file))
    #expect(first.keys == second.keys)
    let differing = first.keys.filter { first[$0] != second[$0] }.sorted()
    #expect(differing.isEmpty, "\(file): \(differing.prefix(5)) differ")
    let steps = try [a, b].map { try SafetensorsFile(path: $0 + "/" + file).metadata["step"] }
    #expect(steps[0] == steps[1])
  }
  #expect(
    try bytes(a + "/" + Checkpoint.configurationFile)
      == bytes(b + "/" + Checkpoint.configurationFile))
  #expect(try comparableJournal(a) == comparableJournal(b))
  let samples = try [a, b].map {
    try FileManager.default.contentsOfDirectory(atPath: $0 + "/samples").sorted()
  }
  #expect(samples[0] == samples[1])
  #expect(!samples[0].isEmpty)
  for name in samples[0] {
    #expect(try bytes(a + "/samples/" + name) == bytes(b + "/samples/" + name))
  }
}

/// The lines of a journal without what the clock decides, and without those of starts.
func comparableJournal(_ folder: String) throws -> [String] {
  let text = try String(contentsOfFile: folder + "/" + Journal.fileName, encoding: .utf8)
  return text.split(separator: "\n").filter { !$0.hasPrefix("{\"kind\": \"run\"") }.map { line in
    String(line).replacing(/"(imagesPerSecond|seconds)": ?[0-9.eE+-]+,? ?/, with: "")
  }
}
