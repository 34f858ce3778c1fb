import Configuration
import Foundation
import Testing
import Training

/// What is said to somebody who writes the names of other programs.
@Suite struct KeyHabitTests {
  private let text = #"{"data": {"train": "d"}, "quantizer": {"type": "fsq"}}"#

  private func remedy(_ override: String) -> String {
    do {
      _ = try RunConfiguration.parse(text, overrides: [override])
      return "accepted"
    } catch {
      return error.problems.map(\.remedy).joined(separator: "\n")
    }
  }

  @Test(arguments: [
    ("lr=0.001", "training.optimizer.learningRate"),
    ("training.lr=0.001", "training.optimizer.learningRate"),
    ("training.optimizer.lr=0.001", "training.optimizer.learningRate"),
    ("learning_rate=0.001", "training.optimizer.learningRate"),
    ("training.learningRate=0.001", "training.optimizer.learningRate"),
    ("learningRate=0.001", "training.optimizer.learningRate"),
    ("bs=8", "training.batchSize"), ("batch_size=8", "training.batchSize"),
    ("data.bs=8", "training.batchSize"), ("epochs=3", "training.steps"),
    ("training.epochs=3", "One epoch is"), ("wd=0", "training.optimizer.weightDecay"),
    ("image_size=64", "data.imageSize"), ("data.size=64", "data.imageSize"),
    ("num_workers=3", "training.lanes"), ("device=cuda", "on the CPU alone"),
    ("fp16=true", "32-bit floats"), ("training.clip=1", "training.gradientClip"),
    ("optimizer.lr=1", "training.optimizer"), ("scheduler=cosine", "training.schedule.type"),
    ("freeze_encoder=true", "training.freeze"), ("requires_grad=false", "training.freeze"),
    ("model.freeze=true", "training.freeze"), ("n_embed=512", "quantizer.codebookSize"),
    ("quantizer.beta=1", "quantizer.commitmentWeight"),
    // Misspelt, and in the wrong object.
    ("learnignRate=1", "training.optimizer.learningRate"),
    ("model.imgSize=64", "data.imageSize"), ("data.latentChanels=4", "model.latentChannels"),
  ])
  func aHabitIsAnsweredByTheKeyThatIsMeant(_ override: String, _ answer: String) {
    #expect(remedy(override).contains(answer), "\(remedy(override))")
  }

  @Test func everyHabitNamesAKeyThatThereIs() {
    let paths = Set(RunConfiguration.keys.map(\.path))
    var names: [String] = []
    for habit in RunConfiguration.habits {
      if let path = habit.path { #expect(paths.contains(path), "\(path)") }
      #expect(habit.path != nil || !habit.note.isEmpty, "\(habit.names)")
      for name in habit.names {
        let letters = name.lowercased().filter(\.isLetter) + name.filter(\.isNumber)
        #expect(!names.contains(letters), "\(name) is listed twice")
        names.append(letters)
      }
    }
  }

  @Test func aKeyThatNothingIsNearListsItsNeighbours() {
    #expect(remedy("data.qqqqqqqq=1").hasPrefix("Valid keys here: train, validation"))
  }
}
