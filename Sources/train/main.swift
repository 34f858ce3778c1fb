import ArgumentParser
import Commands

TrainCommand.main()
