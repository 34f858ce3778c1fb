import ArgumentParser
import Commands

DecodeCommand.main()
