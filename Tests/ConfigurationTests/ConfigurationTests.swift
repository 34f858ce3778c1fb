import Configuration
import Foundation
import Testing
import Training
@Test func scratch() throws {
  let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../configs").standardized
  try RunConfiguration.schema().write(to: folder.appendingPathComponent("tessera.schema.json"), atomically: true, encoding: .utf8)
  print(try RunConfiguration.load(path: folder.path + "/fsq.json").resolved)
  let bad = """
  {
    "data": {"train": 5, "imageSize": 65},
    "trainig": {},
    "model": {"channels": [32, 64, 63], "normGroup": 8},
    "quantizer": {"type": "vq", "codebookSize": 1, "levels": [1]},
    "training": {"stesp": 4, "learningRate": 1, "batchSize": "64", "optimizer": {"type": "admw"},
    "schedule": {"type": "cosine", "warmup": 5000}}, "monitor": []
  }
  """
  do { _ = try RunConfiguration.parse(bad, file: "bad.json", overrides: ["model.middleAttention=yes"]) } catch { print(error) }
  do { _ = try RunConfiguration.load(path: folder.path + "/fqs.json") } catch { print(error) }
  for text in ["{\n \"a\": 1,\n}", "{\"é\": 1, \"é\": 2}", "{\"a\": .5}", "{\"a\": \"x", "[1, 2", "{} x", "{\"a\": tru}", "{a: 1}", "{\"a\": 01}", "{\"a\": 1e999}", "// x\n{}", ""] {
    do { _ = try RunConfiguration.parse(text) } catch { print(error) }
  }
}
