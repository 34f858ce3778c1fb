import Autodiff
import Foundation
import TestSupport
import Testing
import Tokenizers

/// Shape errors stop a program before any data, and name the layer.
struct ShapeErrorTests {
  /// What a process wrote before it stopped.
  private func text(_ result: ExitTest.Result?) -> String {
    String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
  }

  @Test func aWrongNumberOfChannels() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let graph = Graph()
      let scope = Scope(graph)["encoder"]["conv_in"]
      let filter = scope.parameter("weight", [3, 3, 4, 8], .constant(0))
      _ = graph.input("images", [1, 8, 8, 3]).convolved(with: filter, bias: nil, Convolution())
    }
    #expect(text(result).contains("encoder.conv_in: convolution has a filter for 4 channels"))
    #expect(text(result).contains("the image has 3"))
    #expect(text(result).contains("[1, 8, 8, 3], [3, 3, 4, 8]"))
  }

  @Test func anErrorFurtherDownNamesTheLayerBefore() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let graph = Graph()
      let filter = Scope(graph)["down"]["0"].parameter("weight", [1, 1, 3, 5], .constant(0))
      let x = graph.input("images", [1, 8, 8, 3])
      _ = x.convolved(with: filter, bias: nil, Convolution()) + x
    }
    #expect(text(result).contains("down.0: sum needs tensors of one shape"))
  }

  @Test func anImageThatDoesNotHalve() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let graph = Graph()
      let tokenizer = Tokenizer(
        TokenizerConfiguration(
          model: ModelConfiguration(channels: [8, 8], latentChannels: 4, normGroups: 4),
          quantizer: .fsq(FiniteScalarConfiguration(levels: [5, 5]))),
        in: Scope(graph))
      let images = graph.input("images", [1, 9, 8, 3])
      _ = meanSquaredError(tokenizer(images).images, images)
    }
    #expect(text(result).contains("needs two tensors of one shape"))
    #expect(text(result).contains("[1, 10, 8, 3]") || text(result).contains("[1, 8, 8, 3]"))
  }

  @Test func anAxisThatIsNotThere() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Graph().input("x", [2, 3]).sum(axis: 2)
    }
    #expect(text(result).contains("axis sum has no axis 2 to reduce; it was given [2, 3]"))
  }

  @Test func anExtentOfNothing() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Graph().input("x", [2, 0])
    }
    #expect(text(result).contains("input x has the shape [2, 0]; extents are at least 1"))
  }

  @Test func anOrderThatNamesAnAxisTwice() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Graph().input("x", [2, 3]).permuted([0, 0])
    }
    #expect(text(result).contains("permutation has an order [0, 0]"))
  }

  @Test func aBroadcastThatDoesNotFit() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Graph().input("x", [2, 3]).broadcast(to: [2, 4])
    }
    #expect(text(result).contains("cannot broadcast [2, 3] to [2, 4]"))
  }

  @Test func aSliceOfNothing() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Graph().input("x", [2, 3]).slice(3..<3, axis: 1)
    }
    #expect(text(result).contains("cannot slice 3..<3 of axis 1 of [2, 3]"))
  }

  @Test func aConcatenationOfUnequalRows() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let x = Graph().input("x", [2, 3])
      _ = Tensor.concatenating([x, x.slice(0..<2, axis: 1)], axis: 0)
    }
    #expect(text(result).contains("cannot concatenate [2, 2] to [2, 3] along axis 0"))
  }

  @Test func targetsThatAreNumbers() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let graph = Graph()
      _ = crossEntropy(graph.input("x", [2, 3]), graph.input("t", [2]))
    }
    #expect(text(result).contains("cross entropy needs targets that are indices"))
  }

  @Test func aCausalSoftmaxOfOblongMatrices() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Graph().input("x", [2, 3]).softmax(isCausal: true)
    }
    #expect(text(result).contains("softmax is causal: needs square matrices"))
  }

  @Test func blocksLargerThanTheImage() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Graph().input("x", [1, 2, 2, 1]).averagePooled(by: 3)
    }
    #expect(text(result).contains("cannot pool blocks of 3x3 of [1, 2, 2, 1]"))
  }

  @Test func aNameGivenTwice() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let scope = Scope(Graph())["norm"]
      _ = scope.parameter("weight", [4], .constant(1))
      _ = scope.parameter("weight", [4], .constant(1))
    }
    #expect(text(result).contains("parameter norm.weight is declared twice"))
  }

  @Test func tensorsOfTwoGraphs() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Graph().input("a", [2]) + Graph().input("b", [2])
    }
    #expect(text(result).contains("mixes tensors of two graphs"))
  }

  @Test func aLossThatIsNoScalar() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let graph = Graph()
      graph.differentiate(graph.input("a", [2]))
    }
    #expect(text(result).contains("a loss is a scalar, not [2]"))
  }

  @Test func anInputGivenTwice() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let graph = Graph()
      _ = graph.input("images", [2])
      _ = graph.input("images", [2])
    }
    #expect(text(result).contains("input images is declared twice"))
  }

  @Test func theGradientOfAParameterIsNotReturned() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let graph = Graph()
      let bias = Scope(graph)["conv"].parameter("bias", [2], .constant(0))
      graph.differentiate(bias.sum(), withRespectTo: [bias])
    }
    #expect(text(result).contains("the gradient of conv.bias goes to the gradient memory"))
  }
}
