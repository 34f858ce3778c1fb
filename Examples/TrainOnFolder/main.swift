import Foundation
import Tessera

// Trains a small tokenizer on a folder of images, and tells how it goes.
let arguments = CommandLine.arguments.dropFirst()
guard arguments.count == 3, let steps = Int(arguments[3]) else {
  print("usage: TrainOnFolder IMAGES CHECKPOINT STEPS")
  exit(64)
}

do {
  let run = RunConfiguration(
    data: DataConfiguration(train: arguments[1], imageSize: 32),
    model: ModelConfiguration(channels: [32, 32], latentChannels: 4),
    quantizer: .fsq(FiniteScalarConfiguration(levels: [8, 5, 5, 5])),
    training: TrainingConfiguration(steps: steps, batchSize: 4))
  try Tokenizer.train(run, to: arguments[2]) { event in
    switch event {
    case .step(let report): print("step \(report.step) of \(report.steps): loss \(report.loss)")
    case .evaluated(let result, let step): print("step \(step): PSNR \(result.psnr) dB")
    default: break
    }
  }
} catch {
  FileHandle.standardError.write(Data("error: \(error)\n".utf8))
  exit(1)
}
